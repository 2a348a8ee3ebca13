//! Settings that are right.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::engine::window::{Kind, Windows};
use crate::plan::policy::*;

/// The settings of a real installation, with every section.
pub(super) const WHOLE: &str = r#"
version: 1
state: /var/lib/popgate
timezone: Asia/Taipei
targets:
  onprem:
    desired: /srv/git/current/desired-state
    store:   {type: sqlite, path: /var/vmail/users.db, table: mailbox, key: username, access: {columns: [enablepop3], enabled: 1, disabled: 0}, aliases: [alias], where: "active = 1", missing: report}
    refresh: 1h
    service: {type: dovecot, action: flush_and_end_sessions, config: /etc/dovecot/dovecot.conf}
    unlisted: keep
    ignored: ["HealthMailbox*"]
    protected: [ceo@contoso.example]
    drift: {enabled_by_hand: restore, disabled_by_hand: report}
    guards: {max_disable: {percent: 5, always_allow: 10}, max_enable: {percent: 5, always_allow: 10}, max_changes: 1000}
    on_blocked: enable
    restart: {quiet: 30s, max_delay: 15m, min_interval: 10m}
    windows: [{allow: restarts, at: "22:00-02:00", days: [mon, tue, wed, thu, fri]}]
  branch:
    desired: {git: "https://git.example/mail.git", ref: main, path: desired-state, interval: 60s, verify: {allowed_signers: signers}}
    store: {type: sqlite, path: branch.db}
    service: {type: systemd, unit: dovecot.service}
    windows: always
watch:  {quiet: 500ms, max_wait: 5s, resync: 60s}
notify: {command: [/usr/local/bin/page-mail-team]}
web:    {listen: "127.0.0.1:9477"}
log:    {format: json}
"#;

#[test]
fn a_whole_file_is_read_as_it_is_meant() {
    let settings = good(WHOLE);
    assert_eq!(settings.state, PathBuf::from("/var/lib/popgate"));
    assert_eq!(settings.path, Some(PathBuf::from("popgate.yaml")));
    assert_eq!(settings.watch, Watch::default());
    assert_eq!(settings.notify, Some(vec!["/usr/local/bin/page-mail-team".to_owned()]));
    assert_eq!(settings.web, Some("127.0.0.1:9477".parse().unwrap()));
    assert_eq!(settings.log, LogFormat::Json);
    let warnings: Vec<&str> = settings.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        warnings,
        ["web"].map(|name| format!("`{name}` is not built into this version: it has no effect"))
    );
    assert_eq!(settings.targets.keys().collect::<Vec<_>>(), ["branch", "onprem"]);

    let Target { desired, store: StoreSettings::Sqlite(store), service, policy, snapshot: _ } =
        &settings.targets["onprem"]
    else {
        panic!("another store")
    };
    assert_eq!(*desired, DesiredSource::Directory("/srv/git/current/desired-state".into()));
    assert_eq!(
        *store,
        Sqlite {
            path: "/var/vmail/users.db".into(),
            table: "mailbox".into(),
            key: "username".into(),
            columns: vec!["enablepop3".into()],
            enabled: SqlValue::Integer(1),
            disabled: SqlValue::Integer(0),
            aliases: vec!["alias".into()],
            name: None,
            filter: Some("active = 1".into()),
            missing: Missing::Report,
            busy_timeout: Duration::from_secs(5),
            create: false,
        }
    );
    assert_eq!(
        *service,
        ServiceSettings::Dovecot {
            action: DovecotAction::FlushAndEndSessions,
            config: Some("/etc/dovecot/dovecot.conf".into()),
            doveadm: "doveadm".into(),
            timeout: Duration::from_secs(30),
        }
    );
    assert_eq!(
        (policy.target.as_str(), policy.unlisted, policy.missing),
        ("onprem", Unlisted::Keep, Missing::Report)
    );
    assert_eq!(policy.refresh, Duration::from_hours(1));
    assert_eq!(policy.guards, Limits::default());
    assert_eq!(policy.restart, RestartPolicy::default());
    assert!(
        policy.ignored[0].matches("healthmailbox12") && policy.protected[0].matches("CEO@contoso.example")
    );
    assert!(!policy.own_store);
    assert_eq!(policy.service.action, Action::FlushAndEndSessions);
    // A Monday, 22:00 in Taipei.
    let opening: Timestamp = "2026-05-04T14:00:00Z".parse().unwrap();
    let noon = "2026-05-04T04:00:00Z".parse().unwrap();
    assert_eq!(policy.windows.next_open(Kind::Restarts, noon), Some(opening));
    assert!(policy.windows.open(Kind::Writes, noon));

    let branch = &settings.targets["branch"];
    assert_eq!(
        branch.desired,
        DesiredSource::Git(Repository {
            url: "https://git.example/mail.git".into(),
            reference: "main".into(),
            path: "desired-state".into(),
            interval: Duration::from_mins(1),
            allowed_signers: Some("/etc/popgate/signers".into()),
            login: None,
            ssh_key: None,
        })
    );
    assert_eq!(branch.store, StoreSettings::Sqlite(Sqlite::own("/etc/popgate/branch.db".into())));
    assert!(branch.policy.own_store && branch.policy.missing == Missing::Create);
    assert_eq!(branch.policy.windows, Windows::new(&[], settings.timezone.clone()));
}

#[test]
fn rules_that_differ_from_the_defaults_are_kept() {
    let policy = only_target(&with(
        "unlisted: disable\non_blocked: all\ndrift: {enabled_by_hand: report, disabled_by_hand: restore}\n\
         guards: {max_disable: {percent: 0}, max_enable: {always_allow: 0}, max_changes: 7, first_contact: false, \
         shrunk_input: 100, shrunk_live: 1, unreadable: 2}\nrestart: {quiet: 1s, max_delay: 2h, min_interval: 1h30m}",
    ))
    .policy;
    assert_eq!((policy.unlisted, policy.on_blocked), (Unlisted::Disable, OnBlocked::All));
    assert_eq!(policy.drift, Drift { enabled_by_hand: OnDrift::Report, disabled_by_hand: OnDrift::Restore });
    assert_eq!(
        policy.guards,
        Limits {
            max_disable: Share { percent: 0, always_allow: 10 },
            max_enable: Share { percent: 5, always_allow: 0 },
            max_changes: 7,
            first_contact: false,
            shrunk_input: 100,
            shrunk_live: 1,
            unreadable: 2,
        }
    );
    assert_eq!(policy.restart.min_interval, Duration::from_mins(90));
}

#[test]
fn settings_without_targets_use_the_embedded_one() {
    let settings = good("version: 1\nstate: state\ntimezone: Europe/Berlin\n");
    let target = &settings.targets["default"];
    assert_eq!(target.desired, DesiredSource::Directory("/etc/popgate/desired-state".into()));
    assert_eq!(target.store, StoreSettings::Sqlite(Sqlite::own("/etc/popgate/state/pop3.db".into())));
    assert_eq!(target.policy.timezone.iana_name(), Some("Europe/Berlin"));
}

#[test]
fn without_a_file_everything_is_embedded() {
    let settings = Settings::default_embedded();
    assert_eq!((settings.path.as_ref(), settings.state.as_path()), (None, Path::new(".popgate")));
    let [(name, target)] = &settings.targets.iter().collect::<Vec<_>>()[..] else { panic!("one target") };
    assert_eq!(name.as_str(), "default");
    assert_eq!(target.desired, DesiredSource::Directory("desired-state".into()));
    assert_eq!(target.store, StoreSettings::Sqlite(Sqlite::own(".popgate/pop3.db".into())));
    assert_eq!(target.service, ServiceSettings::Announce { service: "POP3".into() });
    assert_eq!((target.policy.missing, target.policy.own_store), (Missing::Create, true));
    assert_eq!(target.policy.windows, Windows::always());
}

#[test]
fn every_form_of_a_service_is_read() {
    let read = |written: &str| only_target(&service(written)).service;
    let seconds = Duration::from_secs;
    assert_eq!(
        read("{type: command, restart: [systemctl, restart, dovecot], timeout: 60s}"),
        ServiceSettings::Command {
            restart: vec!["systemctl".into(), "restart".into(), "dovecot".into()],
            timeout: seconds(60),
            name: None,
        }
    );
    assert_eq!(
        read("{type: command, restart: [./restart.sh, \"\"], name: mail}"),
        ServiceSettings::Command {
            restart: vec!["/etc/popgate/restart.sh".into(), String::new()],
            timeout: seconds(60),
            name: Some("mail".into()),
        }
    );
    assert_eq!(
        read("{type: systemd, unit: dovecot}"),
        ServiceSettings::Systemd { unit: "dovecot.service".into(), timeout: seconds(90) }
    );
    assert_eq!(
        read("{type: dovecot, action: reload, doveadm: bin/doveadm, timeout: 5s}"),
        ServiceSettings::Dovecot {
            action: DovecotAction::Reload,
            config: None,
            doveadm: "/etc/popgate/bin/doveadm".into(),
            timeout: seconds(5),
        }
    );
    assert_eq!(
        read("{type: manual, of: {type: systemd, unit: dovecot.service}, instructions: [ask the mail team]}"),
        ServiceSettings::Manual {
            of: Some(Box::new(ServiceSettings::Systemd {
                unit: "dovecot.service".into(),
                timeout: seconds(90)
            })),
            instructions: Some(vec!["ask the mail team".into()]),
        }
    );
    assert_eq!(read("{type: manual}"), ServiceSettings::Manual { of: None, instructions: None });
    assert_eq!(read("{type: none}"), ServiceSettings::None);
    assert_eq!(read("{type: announce, service: Mail}"), ServiceSettings::Announce { service: "Mail".into() });
    assert_eq!(read("{type: announce}"), ServiceSettings::default());
}

#[test]
fn one_service_has_one_key_whatever_its_timeout() {
    let key = |written: &str| only_target(&service(written)).policy.service.key;
    assert_eq!(
        key("{type: systemd, unit: dovecot}"),
        key("{unit: dovecot.service, type: systemd, timeout: 5s}")
    );
    assert_eq!(key("{type: systemd, unit: dovecot}"), r#"{"type":"systemd","unit":"dovecot.service"}"#);
    assert_eq!(key("{type: dovecot, config: a/./b}"), key("{type: dovecot, config: /etc/popgate/a/b}"));
    assert_ne!(key("{type: dovecot}"), key("{type: dovecot, action: restart}"));
    assert_ne!(key("{type: systemd, unit: a}"), key("{type: manual, of: {type: systemd, unit: a}}"));
}

#[test]
fn git_sources_take_every_usual_address() {
    let url = |written: &str| match only_target(
        &TARGET.replace("/srv/desired-state", &format!("{{git: \"{written}\"}}")),
    )
    .desired
    {
        DesiredSource::Git(Repository { url, .. }) => url,
        DesiredSource::Directory(_) => panic!("a git source"),
    };
    for address in [
        "https://git.example/a.git",
        "ssh://git@git.example:22/a",
        "git@git.example:a/b.git",
        "file:///srv/a",
        "/srv/a.git",
    ] {
        assert_eq!(url(address), address);
    }
    assert_eq!(url("../a.git"), "/etc/popgate/../a.git");
}

#[test]
fn the_fingerprint_is_that_of_the_bytes() {
    let fingerprint = |text: &str| good(text).fingerprint;
    assert_eq!(fingerprint(TARGET), fingerprint(TARGET));
    assert_ne!(fingerprint(TARGET), fingerprint(&format!("{TARGET}# a comment\n")));
}

#[test]
fn block_style_windows_line_breaks_and_a_byte_order_mark_change_nothing() {
    let odd = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
    let (plain, odd) = (good(WHOLE), good(&odd));
    assert_eq!(plain, Settings { fingerprint: plain.fingerprint, ..odd });
}

#[test]
fn every_usual_style_of_yaml_is_read() {
    let styles = [
        "/srv/desired-state",
        "\"/srv/desired-state\" # comment",
        "'/srv/desired-state'   ",
        "\"\\x2fsrv\\u002Fdesired-\\\n      state\"",
        "\n      /srv/desired-state",
        ">-\n      /srv/desired-state\n",
        "|-\n      /srv/desired-state",
    ];
    for style in styles {
        for breaks in ["\n", "\r\n"] {
            let text = TARGET.replace("/srv/desired-state", style).replace('\n', breaks);
            assert_eq!(
                only_target(&text).desired,
                DesiredSource::Directory("/srv/desired-state".into()),
                "{text}"
            );
        }
    }
    let quoted = TARGET.replace("  t:", "  \"t\":").replace("    store:", "    ? store\n    :");
    assert_eq!(good(&quoted).targets, good(TARGET).targets);
    let filter = "{type: sqlite, path: x, table: t, key: k, access: {columns: [c], enabled: 1, disabled: 0}, where: \"a\n      = 1\"}";
    let StoreSettings::Sqlite(sqlite) = only_target(&store(filter)).store else { panic!("another store") };
    assert_eq!(sqlite.filter.as_deref(), Some("a = 1"));
    let marked = format!("%YAML 1.2\n---\n{TARGET}...\n");
    assert_eq!(good(&marked).targets, good(TARGET).targets);
}
