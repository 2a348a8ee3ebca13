//! Who notices what when a Dovecot learns of a change.

use std::sync::Arc;
use std::time::Duration;

use popgate::model::{AccountId, Fault, Severity};
use popgate::services::dovecot::{Dovecot as Effect, DovecotAction};
use popgate::services::{Condition, Service};

use super::{accounts, only};
use crate::world::{Dovecot, Options, Style, World, signal, wait_until};

fn service(dovecot: &Dovecot, action: DovecotAction) -> Effect {
    Effect::new(action, Some(dovecot.config()))
}

async fn flush(dovecot: &Dovecot, disabled: &[AccountId]) {
    let service = service(dovecot, DovecotAction::FlushAndEndSessions);
    service.restart(&only(&service), disabled).await.unwrap();
}

#[tokio::test]
async fn only_the_pop3_sessions_of_disabled_users_end() {
    let dovecot = Dovecot::start(&Options::default());
    let mut anna = dovecot.pop3(1).unwrap();
    let mut anna_again = dovecot.pop3(1).unwrap();
    let mut anna_imap = dovecot.imap(1).unwrap();
    let mut carl = dovecot.pop3(2).unwrap();
    let mut carl_imap = dovecot.imap(2).unwrap();
    assert_eq!(anna.stat(), Ok(0));

    dovecot.set("u1@ex.test", false);
    assert!(anna.is_alive(), "a flag alone ends no session");
    // The store may spell the name in another case than Dovecot does.
    flush(&dovecot, &accounts(["U1@Ex.Test"])).await;

    assert!(!anna.is_alive());
    assert!(!anna_again.is_alive());
    assert!(anna_imap.is_alive() && carl.is_alive() && carl_imap.is_alive());
    assert!(dovecot.pop3(1).is_err_and(|refusal| refusal.starts_with("-ERR [AUTH]")));
    assert!(dovecot.imap(1).unwrap().is_alive());
    carl.quit();
}

#[tokio::test]
async fn a_cached_login_is_admitted_before_and_refused_after() {
    let dovecot = Dovecot::start(&Options { cache: true, ..Options::default() });
    dovecot.pop3(1).unwrap().quit();
    dovecot.set("u1@ex.test", false);
    dovecot.pop3(1).expect("the cache does not know yet").quit();
    flush(&dovecot, &accounts(["u1@ex.test"])).await;
    assert!(dovecot.pop3(1).is_err());
}

#[tokio::test]
async fn whoever_logs_in_while_the_change_takes_effect_is_out_as_well() {
    let dovecot = Arc::new(Dovecot::start(&Options { cache: true, ..Options::default() }));
    let mut sessions = vec![dovecot.pop3(1).unwrap()];
    let hammered = Arc::clone(&dovecot);
    let (started, mut hammering) = tokio::sync::mpsc::unbounded_channel();
    let hammer = std::thread::spawn(move || {
        let mut sessions = Vec::new();
        while let Ok(session) = hammered.pop3(1) {
            sessions.push(session);
            let _heard = started.send(());
        }
        sessions
    });
    for _ in 0..5 {
        hammering.recv().await.unwrap();
    }
    dovecot.set("u1@ex.test", false);
    flush(&dovecot, &accounts(["u1@ex.test"])).await;
    sessions.extend(hammer.join().unwrap());
    let alive = sessions.iter_mut().filter_map(|session| session.is_alive().then_some(())).count();
    assert_eq!(alive, 0, "of {}", sessions.len());
    assert!(dovecot.pop3(1).is_err());
}

#[tokio::test]
async fn a_cached_refusal_ends_when_a_user_is_enabled_again() {
    let dovecot = Dovecot::start(&Options { cache: true, ..Options::default() });
    dovecot.set("u1@ex.test", false);
    assert!(dovecot.pop3(1).is_err());
    dovecot.set("u1@ex.test", true);
    assert!(dovecot.pop3(1).is_err(), "the cache does not know yet");
    flush(&dovecot, &[]).await;
    dovecot.pop3(1).unwrap().quit();
}

#[tokio::test]
async fn five_hundred_names_do_not_make_the_flush_fail() {
    let dovecot = Dovecot::start(&Options { users: 600, cache: true, ..Options::default() });
    let kept: Vec<_> = (1..=3).map(|n| dovecot.pop3(n).unwrap()).collect();
    let mut spared = dovecot.pop3(501).unwrap();
    dovecot.sql("UPDATE mailbox SET enablepop3 = 0 WHERE CAST(substr(username, 2) AS INTEGER) <= 500");
    dovecot.pop3(2).expect("the cache does not know yet").quit();
    flush(&dovecot, &accounts((1..=500).map(|n| format!("u{n}@ex.test")))).await;
    for (n, mut session) in (1..).zip(kept) {
        assert!(!session.is_alive(), "u{n}");
        assert!(dovecot.pop3(n).is_err(), "u{n}");
    }
    assert!(spared.is_alive());
}

#[tokio::test]
async fn the_nologin_style_is_understood() {
    let dovecot = Dovecot::start(&Options { style: Style::Nologin, cache: true, ..Options::default() });
    let mut session = dovecot.pop3(1).unwrap();
    dovecot.set("u1@ex.test", false);
    let log = super::Log::start();
    flush(&dovecot, &accounts(["u1@ex.test"])).await;
    assert!(!session.is_alive());
    assert!(dovecot.pop3(1).is_err_and(|refusal| refusal.contains("access is disabled")));
    assert!(!log.text().contains("still admits"), "{}", log.text());
}

#[tokio::test]
async fn whoever_would_still_be_admitted_is_named_in_a_warning() {
    // The store wrote a column that Dovecot does not look at.
    let dovecot = Dovecot::start(&Options::default());
    let log = super::Log::start();
    flush(&dovecot, &accounts(["u1@ex.test"])).await;
    assert!(log.text().contains("Dovecot still admits u1@ex.test to POP3"), "{}", log.text());
}

#[tokio::test]
async fn a_process_that_serves_several_users_is_left_alone_and_reported() {
    let extra =
        "service pop3 {\n  client_limit = 5\n  service_count = 0\n  process_limit = 1\n}\n".to_owned();
    let dovecot = Dovecot::start(&Options { extra, ..Options::default() });
    let mut anna = dovecot.pop3(1).unwrap();
    let mut carl = dovecot.pop3(2).unwrap();
    dovecot.set("u1@ex.test", false);
    let service = service(&dovecot, DovecotAction::FlushAndEndSessions);
    let error = service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap_err();
    assert_eq!(error.fault, Fault::Invalid);
    assert!(error.help.unwrap().contains("client_limit = 1"));
    assert!(anna.is_alive() && carl.is_alive());
}

#[tokio::test]
async fn domains_that_dovecot_drops_are_dropped_here_too() {
    let extra = "auth_username_format = %Ln\n".to_owned();
    let dovecot = Dovecot::start(&Options { extra, ..Options::default() });
    dovecot.sql("UPDATE mailbox SET username = substr(username, 1, instr(username, '@') - 1)");
    let mut session = dovecot.pop3(1).unwrap();
    let mut other = dovecot.pop3(2).unwrap();
    dovecot.set("u1", false);
    flush(&dovecot, &accounts(["u1@ex.test"])).await;
    assert!(!session.is_alive());
    assert!(other.is_alive());
}

#[tokio::test]
async fn a_session_that_does_not_end_keeps_the_restart_owed() {
    let dovecot = Dovecot::start(&Options::default());
    let mut session = dovecot.pop3(1).unwrap();
    // Dovecot lists a session some moments after its greeting.
    let pid = wait_until("the session in the list", || {
        let (_, who) = dovecot.doveadm(&["-f", "tab", "who", "-1"]);
        who.lines().nth(1)?.split('\t').nth(2).map(str::to_owned)
    });
    dovecot.set("u1@ex.test", false);
    signal("STOP", &pid);
    let service = Effect { timeout: Duration::from_secs(2), ..service(&dovecot, DovecotAction::default()) };
    let error = service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap_err();
    assert!(error.fault.is_transient());
    assert!(error.what.contains("did not all end within 2s") && error.what.contains(&pid), "{}", error.what);
    signal("CONT", &pid);
    service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap();
    assert!(!session.is_alive());
}

#[tokio::test]
async fn a_restart_given_up_half_way_leaves_a_running_dovecot() {
    let dovecot = Dovecot::start(&Options::default());
    let service = service(&dovecot, DovecotAction::Restart);
    let stopped = async {
        while dovecot.current_master().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let (instance, nobody) = (only(&service), []);
    tokio::select! {
        ended = service.restart(&instance, &nobody) => panic!("{ended:?}"),
        () = stopped => {}
    }
    service.ready(&instance).await.unwrap();
    dovecot.pop3(1).unwrap().quit();
}

#[tokio::test]
async fn a_reload_ends_the_sessions_of_the_disabled_at_once() {
    let extra = "shutdown_clients = no\n".to_owned();
    let dovecot = Dovecot::start(&Options { cache: true, extra, ..Options::default() });
    let mut anna = dovecot.pop3(1).unwrap();
    let mut carl = dovecot.pop3(2).unwrap();
    let mut anna_imap = dovecot.imap(1).unwrap();
    dovecot.set("u1@ex.test", false);
    let service = service(&dovecot, DovecotAction::Reload);
    service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap();
    service.ready(&only(&service)).await.unwrap();
    assert!(!anna.is_alive());
    assert!(carl.is_alive() && anna_imap.is_alive());
    assert!(dovecot.pop3(1).is_err());
    dovecot.pop3(2).unwrap().quit();
}

#[tokio::test]
async fn a_restart_is_a_new_run_and_leaves_no_session_behind() {
    let dovecot = Dovecot::start(&Options { cache: true, ..Options::default() });
    let service = service(&dovecot, DovecotAction::Restart);
    let mut anna = dovecot.pop3(1).unwrap();
    dovecot.set("u1@ex.test", false);
    let before = service.observe().await.unwrap().remove(0);
    assert_eq!(before.condition, Condition::Running);
    assert!(before.age.unwrap() < Duration::from_mins(1), "{before:?}");

    service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap();
    service.ready(&only(&service)).await.unwrap();

    let after = service.observe().await.unwrap().remove(0);
    assert_eq!(after.condition, Condition::Running);
    assert_ne!(after.identity.unwrap(), before.identity.unwrap());
    assert!(after.age.unwrap() < Duration::from_secs(10));
    assert_ne!(dovecot.current_master().unwrap(), dovecot.master());
    assert!(!anna.is_alive());
    assert!(dovecot.pop3(1).is_err());
    dovecot.pop3(2).unwrap().quit();
}

#[tokio::test]
async fn a_stopped_dovecot_is_observed_as_stopped_and_not_started() {
    let dovecot = Dovecot::start(&Options::default());
    let _survivor = dovecot.pop3(1).unwrap();
    dovecot.stop();
    for action in [DovecotAction::FlushAndEndSessions, DovecotAction::Reload, DovecotAction::Restart] {
        let service = service(&dovecot, action);
        assert_eq!(service.observe().await.unwrap()[0].condition, Condition::Stopped);
        let error = service.restart(&only(&service), &accounts(["u1@ex.test"])).await.unwrap_err();
        assert!(error.fault.is_transient(), "{error:?}");
        assert!(error.what.contains("is not running"), "{}", error.what);
        assert_eq!(dovecot.current_master(), None);
        let findings = service.preflight().await;
        assert!(findings.iter().any(|f| f.severity == Severity::Warning && f.what.contains("does not run")));
    }
}

#[tokio::test]
async fn only_a_restart_gives_a_run_an_identity() {
    let dovecot = Dovecot::start(&Options::default());
    for (action, identified) in [
        (DovecotAction::FlushAndEndSessions, false),
        (DovecotAction::Reload, false),
        (DovecotAction::Restart, true),
    ] {
        let service = service(&dovecot, action);
        let seen = service.observe().await.unwrap().remove(0);
        assert_eq!((seen.identity.is_some(), seen.age.is_some()), (identified, identified), "{action:?}");
        let again = service.observe().await.unwrap().remove(0);
        assert_eq!((again.identity, again.condition), (seen.identity, Condition::Running));
    }
}

#[tokio::test]
async fn missing_programs_are_an_error_with_a_remedy() {
    let dovecot = Dovecot::start(&Options::default());
    let world = World::new();
    let service = Effect {
        programs: Some(world.path("nothing-here")),
        ..service(&dovecot, DovecotAction::FlushAndEndSessions)
    };
    let error = service.restart(&only(&service), &[]).await.unwrap_err();
    assert_eq!(error.fault, Fault::Invalid);
    assert!(error.what.contains("there is no program"), "{}", error.what);
    assert!(service.observe().await.is_err(), "not to be able to look is not `stopped`");
    let findings = service.preflight().await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Error);
    assert!(findings[0].remedy.contains("apt install dovecot-core"));
}

#[tokio::test]
async fn a_wrong_configuration_is_an_error_with_its_place() {
    let dovecot = Dovecot::start(&Options::default());
    let world = World::new();
    let bad = world.write("bad.conf", "base_dir = /nowhere\nfoo = bar\n");
    for (config, says) in [(bad, "line 2"), (world.path("missing.conf"), "No such file")] {
        for action in [DovecotAction::FlushAndEndSessions, DovecotAction::Reload, DovecotAction::Restart] {
            let service = Effect::new(action, Some(config.clone()));
            for error in [
                service.restart(&only(&service), &[]).await.unwrap_err(),
                service.observe().await.unwrap_err(),
                service.ready(&only(&service)).await.unwrap_err(),
            ] {
                assert_eq!(error.fault, Fault::Invalid, "{error:?}");
                assert!(error.what.contains(says), "{}", error.what);
                assert!(error.help.unwrap().contains("doveconf"));
            }
        }
    }
    // A configuration that became wrong after the start must not stop what runs.
    std::fs::write(dovecot.config(), "foo = bar\n").unwrap();
    let service = service(&dovecot, DovecotAction::Restart);
    assert!(service.restart(&only(&service), &[]).await.is_err());
    assert_eq!(dovecot.current_master(), Some(dovecot.master()));
}

#[tokio::test]
async fn a_flush_that_does_nothing_is_noticed_although_it_exits_with_0() {
    let dovecot = Dovecot::start(&Options::default());
    let world = World::new();
    let real = crate::world::require("doveconf");
    let programs = world.path("bin");
    world.script("bin/doveconf", &format!("exec {} \"$@\"", real.display()));
    world.script(
        "bin/doveadm",
        "echo '0 cache entries flushed'; echo 'Error: auth-master: auth cache flush: Disconnected unexpectedly' >&2",
    );
    let service =
        Effect { programs: Some(programs), ..service(&dovecot, DovecotAction::FlushAndEndSessions) };
    let error = service.restart(&only(&service), &[]).await.unwrap_err();
    assert!(error.what.contains("Disconnected unexpectedly"), "{}", error.what);
}

#[tokio::test]
async fn preflight_says_what_matters_and_changes_nothing() {
    let dovecot = Dovecot::start(&Options { cache: true, ..Options::default() });
    let mut session = dovecot.pop3(1).unwrap();
    for action in [DovecotAction::FlushAndEndSessions, DovecotAction::Reload, DovecotAction::Restart] {
        let findings = service(&dovecot, action).preflight().await;
        assert!(findings.iter().all(|finding| finding.severity < Severity::Error), "{findings:?}");
        assert!(
            findings.iter().any(|finding| finding.what.contains("auth_cache_size = 10 M")),
            "{findings:?}"
        );
    }
    assert!(session.is_alive());
    assert_eq!(dovecot.current_master(), Some(dovecot.master()));
    dovecot.set("u1@ex.test", false);
    dovecot.pop3(1).expect("the cache was not emptied").quit();
}

#[test]
fn a_private_dovecot_ends_with_its_sessions() {
    let dovecot = Dovecot::start(&Options::default());
    let mut session = dovecot.pop3(1).unwrap();
    let (port, master) = (dovecot.pop3_port(), dovecot.master());
    assert_eq!(dovecot.doveadm(&["who"]).0, Some(0));
    assert!(dovecot.database().is_file() && dovecot.imap_port() != port);
    assert!(dovecot.log().contains("starting up"));
    drop(dovecot);
    assert!(!session.is_alive());
    wait_until("the master's end", || (!crate::world::runs(master)).then_some(()));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
