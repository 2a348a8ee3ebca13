//! The service `exchange`: rightly and wrongly written.

use insta::assert_snapshot;

use super::*;
use crate::psrp::{Auth, Credential};
use crate::secret::Secret;
use crate::services::exchange::{Farm, Server, Servers};

const ORGANISATION: &str =
    "organisation: {url: \"https://ex.contoso.example/PowerShell/\", keytab: svc.keytab, ca_file: ca.pem}";

fn exchange(fields: &str) -> String {
    service(&format!("{{type: exchange, {ORGANISATION}, {fields}}}\n    windows: always"))
}

fn farm(fields: &str) -> Farm {
    match only_target(&exchange(fields)).service {
        ServiceSettings::Exchange(farm) => *farm,
        other => panic!("{other:?}"),
    }
}

#[test]
fn few_words_say_what_most_need() {
    let farm = farm("servers: auto");
    assert_eq!(farm.servers, Servers::Auto);
    assert_eq!(farm.remote.url, "https://{server}:5986/wsman");
    assert_eq!(farm.remote.configuration, "Microsoft.PowerShell");
    assert_eq!(farm.organisation.configuration, "Microsoft.Exchange");
    let keytab = Credential::Keytab("/etc/popgate/svc.keytab".into());
    assert_eq!(
        farm.organisation.auth,
        Auth::Kerberos { username: None, credential: keytab, service_host: None }
    );
    assert_eq!(farm.remote.auth, farm.organisation.auth, "the same account");
    assert_eq!(farm.remote.trust.authorities.as_deref(), Some(Path::new("/etc/popgate/ca.pem")));
    assert_eq!((farm.pop3.plain, farm.pop3.tls), (Some(110), Some(995)));
    assert_eq!(farm.pop3.trust, farm.remote.trust);
    assert_eq!((farm.timeout, farm.ready), (Duration::from_mins(3), Duration::from_mins(2)));
}

#[test]
fn servers_have_names_hosts_and_urls_of_their_own() {
    let farm = farm(
        "servers: [ex01.contoso.example, {name: EX02, url: \"https://ex02.dmz.example:443/wsman\"}, {name: EX03, host: \
         10.0.0.3}], configuration: Popgate, auth: basic, username: CONTOSO\\svc, password: {env: PW}, pop3: {plain: off, \
         tls_name: mail.contoso.example}",
    );
    let server = |name: &str, host: &str, url: Option<&str>| Server {
        name: name.to_owned(),
        host: host.to_owned(),
        url: url.map(str::to_owned),
    };
    assert_eq!(
        farm.servers,
        Servers::Listed(vec![
            server("ex01.contoso.example", "ex01.contoso.example", None),
            server("EX02", "ex02.dmz.example", Some("https://ex02.dmz.example:443/wsman")),
            server("EX03", "10.0.0.3", None),
        ])
    );
    assert_eq!(
        farm.remote.auth,
        Auth::Basic { username: "CONTOSO\\svc".into(), password: Secret::Env("PW".into()) }
    );
    assert_eq!((farm.pop3.plain, farm.pop3.tls), (None, Some(995)));
    assert_eq!(farm.pop3.tls_name.as_deref(), Some("mail.contoso.example"));
}

#[test]
fn two_targets_on_the_same_farm_share_its_restarts_whatever_their_limits_are() {
    let key = |fields: &str| only_target(&exchange(fields)).service.key();
    assert_eq!(key("servers: auto"), key("servers: auto, timeout: 5m, pop3: {plain: off}"));
    assert_ne!(key("servers: auto"), key("servers: [ex01]"));
}

#[test]
fn a_person_may_restart_the_farm() {
    let text = service(&format!(
        "{{type: manual, of: {{type: exchange, {ORGANISATION}, servers: auto}}}}\n    windows: always"
    ));
    assert!(matches!(only_target(&text).service, ServiceSettings::Manual { of: Some(_), .. }));
}

#[test]
fn whoever_restarts_exchange_says_when() {
    let never = |written: &str| problems(&service(written));
    assert_snapshot!(never(&format!("{{type: exchange, servers: auto, {ORGANISATION}}}")), @r#"
    POP154 Error popgate.yaml:5:5+7 Exchange without `windows`: when may its services be restarted?
      help write `windows: [{allow: restarts, at: "22:00-02:00"}]`, or `windows: always`
    "#);
    let manual = never(&format!("{{type: manual, of: {{type: exchange, servers: auto, {ORGANISATION}}}}}"));
    assert!(manual.starts_with("POP154 "), "{manual}");
}

#[test]
fn what_is_missing_or_wrong_is_said_all_at_once() {
    assert_snapshot!(problems(&service("{type: exchange}\n    windows: always")), @r#"
    POP112 Error popgate.yaml:5:5+7 missing field `organisation` in `service`
      help the store is no Exchange that could be asked: write `organisation: {url: "https://ex01.contoso.example/PowerShell/", …}`
    POP112 Error popgate.yaml:5:5+7 missing field `servers` in `service`
      help write `servers: auto`, or a list of servers
    "#);
    assert_snapshot!(problems(&exchange("servers: all, url: \"ftp://x\", timeout: 0s, pop3: {plain: 70000, tls: on}")), @"
    POP114 Error popgate.yaml:5:140+3 `servers` must be `auto` or a list of servers, not `all`
      help write `auto` or `[all]`
    POP173 Error popgate.yaml:5:150+9 `ftp://x` is no URL of an endpoint
      help write for example `https://ex01.contoso.example/PowerShell/`
    POP116 Error popgate.yaml:5:170+2 `timeout` must be more than zero
    POP116 Error popgate.yaml:5:188+5 `plain` must be from 1 to 65535, not 70000
    POP113 Error popgate.yaml:5:200+2 `tls` must be a port or `off`, not text
    ");
    assert_snapshot!(problems(&exchange("servers: [ex01, {name: EX01}, {url: \"https://a@b/\"}, \"-x\"], pin: abc")), @"
    POP111 Error popgate.yaml:5:147+12 the server `EX01` is listed twice
      help keep one of the two
    POP112 Error popgate.yaml:5:161+21 missing field `name` in `servers`
      help write for example `name: ex01`
    POP173 Error popgate.yaml:5:167+14 `https://a@b/` is no URL of an endpoint
      help write for example `https://ex01.contoso.example/PowerShell/`
    POP117 Error popgate.yaml:5:184+4 `-x` cannot be the name of a server
      help write its full name, such as `ex01.contoso.example`
    POP117 Error popgate.yaml:5:196+3 `abc` is no SHA-256
      help write `sha256:` and its 64 hexadecimal digits
    ");
    assert_snapshot!(problems(&exchange("servers: auto, url: \"https://ex01:5986/wsman\"")), @"
    POP173 Error popgate.yaml:5:151+25 one `url` for several servers
      help write `{server}` where the server's name belongs: `https://{server}:5986/wsman`
    ");
    assert_snapshot!(problems(&exchange("servers: auto, auth: basic, url: \"http://{server}:5985/wsman\", keytab: x")), @r#"
    POP112 Error popgate.yaml:5:5+7 missing field `username` in `service`
      help write for example `username: CONTOSO\svc-popgate`
    POP112 Error popgate.yaml:5:5+7 missing field `password` in `service`
      help write `password: {file: /etc/popgate/password}`
    POP110 Error popgate.yaml:5:194+6 `keytab` has no meaning with `auth: basic`
      help remove it
    "#);
    assert_snapshot!(problems(&exchange("servers: auto, auth: basic, username: u, password: hunter2")), @"
    POP160 Error popgate.yaml:5:182+7 `password` must not be written here
      help write `{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`, and change the secret: it was readable here
    ");
    assert_snapshot!(problems(&exchange("servers: auto, keytab: k, password: {env: PW}, configuration: a/b")), @"
    POP111 Error popgate.yaml:5:157+8 `keytab` and `password`: which of them?
      help keep one of the two
    POP117 Error popgate.yaml:5:193+3 `a/b` cannot be a configuration
      help write its name as `Get-PSSessionConfiguration` shows it, such as `Microsoft.PowerShell`
    ");
}
