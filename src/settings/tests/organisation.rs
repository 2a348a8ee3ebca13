//! The store `exchange`.

use std::time::Duration;

use super::*;
use crate::psrp::{Auth, Credential};
use crate::secret::Secret;
use crate::stores::exchange::{Organisation, Scope};

fn organisation(text: &str) -> Organisation {
    match only_target(&store(text)).store {
        StoreSettings::Exchange(organisation) => *organisation,
        StoreSettings::Sqlite(other) => panic!("{other:?}"),
    }
}

const KERBEROS: &str = "{type: exchange, url: \"https://ex01.contoso.example/PowerShell/\", keytab: svc.keytab, \
                        username: svc-popgate@CONTOSO.EXAMPLE}";

#[test]
fn an_organisation_is_read_with_its_defaults() {
    let read = organisation(KERBEROS);
    assert_eq!(read.endpoint.url, "https://ex01.contoso.example/PowerShell/");
    assert_eq!(read.endpoint.configuration, "Microsoft.Exchange");
    let Auth::Kerberos { username, credential, service_host } = &read.endpoint.auth else {
        panic!("{read:?}")
    };
    assert_eq!(username.as_deref(), Some("svc-popgate@CONTOSO.EXAMPLE"));
    assert_eq!(*credential, Credential::Keytab("/etc/popgate/svc.keytab".into()));
    assert_eq!(*service_host, None);
    assert_eq!((read.scope, read.sessions, read.look_ups), (Scope::Domain, 4, 200));
    assert_eq!((read.within, read.replication_wait), (Duration::from_hours(1), Duration::from_mins(15)));
}

#[test]
fn an_organisation_is_read_with_everything() {
    let pin = "00".repeat(32);
    let read = organisation(&format!(
        "{{type: exchange, url: \"https://mail.contoso.example/PowerShell/\", configuration: My.Exchange, auth: basic, \
         username: 'CONTOSO\\svc', password: {{env: EXCHANGE}}, ca_file: ca.pem, pin: {pin}, scope: contoso.example/Users, \
         sessions: 2, timeout: 10m, look_ups: 5, replication_wait: 0s}}"
    ));
    let auth = Auth::Basic { username: "CONTOSO\\svc".into(), password: Secret::Env("EXCHANGE".into()) };
    assert_eq!((read.endpoint.configuration.as_str(), &read.endpoint.auth), ("My.Exchange", &auth));
    assert_eq!(
        (read.endpoint.trust.authorities, read.endpoint.trust.pins.len()),
        (Some("/etc/popgate/ca.pem".into()), 1)
    );
    assert_eq!((read.scope, read.sessions), (Scope::Unit("contoso.example/Users".into()), 2));
    assert_eq!(
        (read.within, read.look_ups, read.replication_wait),
        (Duration::from_mins(10), 5, Duration::ZERO)
    );
}

#[test]
fn some_accounts_are_protected_whatever_the_settings_say_and_it_is_read_every_hour() {
    let target = only_target(&store(KERBEROS));
    assert_eq!(target.policy.refresh, Duration::from_hours(1));
    let protected = |name: &str| target.policy.protected.iter().any(|glob| glob.matches(name));
    for name in
        ["administrator", "CONTOSO\\Administrator", "HealthMailbox0a1b", "svc-popgate@contoso.example"]
    {
        assert!(protected(name), "{name}");
    }
    assert!(!protected("Alice Administrator"));
}

#[test]
fn what_is_wrong_with_an_organisation_is_said_with_the_remedy() {
    let https = "https://ex01/PowerShell/";
    for (text, said) in [
        ("{type: exchange}".to_owned(), "missing field `url`"),
        (format!("{{type: exchange, url: \"{https}\", auth: basic}}"), "missing field `username`"),
        (
            "{type: exchange, url: \"http://ex01/PowerShell/\", auth: basic, username: a, password: {env: P}}".to_owned(),
            "over plain HTTP shows the password",
        ),
        (format!("{{type: exchange, url: \"{https}\", scope: everything}}"), "`everything` is no scope"),
        (format!("{{type: exchange, url: \"{https}\", sessions: 18}}"), "from 1 to 16"),
        (format!("{{type: exchange, url: \"{https}\", pin: 12ab}}"), "is no SHA-256"),
        (format!("{{type: exchange, url: \"{https}\", password: hunter2}}"), "must not be written here"),
        (format!("{{type: exchange, url: \"{https}\", path: x}}"), "unknown field `path`"),
    ] {
        let found = problems(&store(&text));
        assert!(found.contains(said) && !found.contains("hunter2"), "{text}\n{found}");
    }
}

#[test]
fn two_targets_may_share_an_organisation_only_by_units() {
    let two = |first: &str, second: &str| {
        let target = |name: &str, scope: &str| {
            format!(
                "  {name}:\n    desired: {name}\n    store: {{type: exchange, url: \"https://ex01/PowerShell/\", scope: {scope}}}\n    \
                 service: {{type: none}}\n    unlisted: disable\n"
            )
        };
        problems(&format!("targets:\n{}{}", target("a", first), target("b", second)))
    };
    assert_eq!(two("x/Sales", "x/Staff"), "no error\n");
    assert!(two("x/Sales", "X/SALES").contains("POP131"));
    assert!(two("domain", "x/Staff").contains("POP131"));
}
