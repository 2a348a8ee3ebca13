//! Commands that fail, hang, leave something behind, or are not there.

use std::time::Duration;

use popgate::model::{Fault, Severity};
use popgate::plan::policy::Action;
use popgate::services::announce::Announce;
use popgate::services::command::Command;
use popgate::services::manual::Manual;
use popgate::services::none::Nothing;
use popgate::services::{Condition, Service, ServiceError};

use super::{Log, accounts, only};
use crate::world::{World, clock, runs, wait_until};

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        timeout: Duration::from_secs(20),
        name: None,
        without_env: Vec::new(),
    }
}

fn script(world: &World, body: &str) -> Command {
    command(&[world.script("restart", body).to_str().unwrap()])
}

async fn restart(service: &dyn Service, disabled: &[&str]) -> Result<(), ServiceError> {
    service.restart(&only(service), &accounts(disabled.iter().copied())).await
}

#[tokio::test]
async fn the_disabled_accounts_come_on_standard_input() {
    let world = World::new();
    let service = script(&world, &format!("cat > '{}'", world.path("got").display()));
    restart(&service, &["u1@ex.test", "Anna Müller"]).await.unwrap();
    assert_eq!(world.read("got"), "u1@ex.test\nAnna Müller\n");
    restart(&service, &[]).await.unwrap();
    assert_eq!(world.read("got"), "");
}

#[tokio::test]
async fn arguments_reach_the_command_untouched_and_without_a_shell() {
    let world = World::new();
    let out = world.path("out");
    let service =
        command(&["sh", "-c", "printf '%s|' \"$@\" > \"$0\"", out.to_str().unwrap(), "a b", "$(id)", "*"]);
    restart(&service, &[]).await.unwrap();
    assert_eq!(world.read("out"), "a b|$(id)|*|");
}

#[tokio::test]
async fn a_failure_shows_its_code_and_last_lines() {
    let world = World::new();
    let error = restart(&script(&world, "echo working; echo 'cannot bind port' >&2; exit 42"), &[])
        .await
        .unwrap_err();
    assert!(error.what.contains("exit code 42: cannot bind port"), "{}", error.what);
    assert!(error.fault.is_transient(), "the restart stays owed and is tried again");
}

#[tokio::test]
async fn a_command_that_is_killed_says_by_what() {
    let world = World::new();
    let error = restart(&script(&world, "kill -TERM $$"), &[]).await.unwrap_err();
    assert!(error.what.contains("killed by signal 15"), "{}", error.what);
}

#[tokio::test]
async fn a_hanging_command_is_killed_with_all_it_started() {
    let world = World::new();
    let pids = world.path("pids");
    let body =
        format!("trap '' TERM; sleep 600 & echo $$ $! > '{}'; echo waiting; wait; sleep 600", pids.display());
    let service = Command { timeout: Duration::from_millis(500), ..script(&world, &body) };
    let since = clock();
    let error = restart(&service, &[]).await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert!(
        error.what.contains("did not end within 500ms") && error.what.contains("waiting"),
        "{}",
        error.what
    );
    for pid in world.read("pids").split_whitespace() {
        let pid = pid.parse().unwrap();
        wait_until("the end of all that hung", || (!runs(pid)).then_some(()));
    }
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_holds_nothing_up_and_lives() {
    let world = World::new();
    let pid = world.path("pid");
    // It inherits all three streams, and prints again later, when nobody waits for it any more.
    let body = format!(
        "(sleep 1; echo late; echo late >&2; echo survived > '{0}.said'; sleep 600) & echo $! > '{0}'; echo started",
        pid.display()
    );
    let since = clock();
    restart(&script(&world, &body), &["u1@ex.test"]).await.unwrap();
    assert!(since.elapsed() < Duration::from_millis(900), "{:?}", since.elapsed());
    let said = world.path("pid.said");
    let found = async {
        while !said.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, found).await.expect("printing late did not kill it");
    let pid: u32 = world.read("pid").trim().parse().unwrap();
    assert!(runs(pid));
    crate::world::signal("KILL", pid);
}

#[tokio::test]
async fn a_command_whose_restart_is_given_up_does_not_go_on() {
    let world = World::new();
    let pids = world.path("pids");
    let service = script(
        &world,
        &format!("sleep 600 & echo $$ $! > '{}.new'; mv '{0}.new' '{0}'; wait", pids.display()),
    );
    let started = async {
        while !pids.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = restart(&service, &[]) => panic!("{ended:?}"),
        () = started => {}
    }
    for pid in world.read("pids").split_whitespace() {
        let pid = pid.parse().unwrap();
        wait_until("the end of what was given up", || (!runs(pid)).then_some(()));
    }
}

#[tokio::test]
async fn what_is_no_program_says_so_and_what_to_do() {
    let world = World::new();
    let plain = world.write("plain", "#!/bin/sh\n");
    let broken = world.script("broken", "");
    std::fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    let directory = world.path("home");
    for (program, fault, what, help) in [
        ("popgate-no-such-program", Fault::Invalid, "there is no program", "PATH"),
        ("/no/such/program", Fault::Invalid, "there is no program", "path"),
        (plain.to_str().unwrap(), Fault::Denied, "may not be executed", "chmod"),
        (directory.to_str().unwrap(), Fault::Denied, "may not be executed", "chmod"),
        (broken.to_str().unwrap(), Fault::Invalid, "interpreter", "#!/bin/sh"),
    ] {
        let service = command(&[program, "x"]);
        let error = restart(&service, &["u1@ex.test"]).await.unwrap_err();
        assert_eq!(error.fault, fault, "{error:?}");
        assert!(error.what.contains(what) && error.what.contains(program), "{}", error.what);
        assert!(error.help.unwrap().contains(help));
        let finding = service.preflight().await.remove(0);
        // That an interpreter is missing only shows when the script is started.
        assert_eq!(finding.severity == Severity::Error, program != broken.to_str().unwrap(), "{finding:?}");
    }
    assert_eq!(command(&["sh"]).preflight().await[0].severity, Severity::Ok);
}

#[tokio::test]
async fn what_a_command_prints_is_logged_a_line_each() {
    let world = World::new();
    let log = Log::start();
    restart(&script(&world, "echo one; printf 'two\\033[31m'; echo three >&2"), &[]).await.unwrap();
    let text = log.text();
    for line in ["INFO", "one", r"two\u{1b}[31m", "three"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[tokio::test]
async fn much_output_is_neither_kept_nor_a_reason_to_hang() {
    let world = World::new();
    let error =
        restart(&script(&world, "head -c 3000000 /dev/zero | tr '\\0' x; echo the end; exit 1"), &[]).await;
    let what = error.unwrap_err().what;
    assert!(what.ends_with("the end") && what.len() < 2000, "{} bytes", what.len());
}

#[tokio::test]
async fn a_command_gets_three_streams_and_no_secret() {
    let world = World::new();
    let held = std::fs::File::create(world.path("held")).unwrap();
    let out = world.path("out");
    let service = Command {
        without_env: vec!["CARGO_MANIFEST_DIR".into()],
        ..script(&world, &format!("env > '{0}.env'; ls -l /proc/$$/fd > '{0}'", out.display()))
    };
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "else this test would prove nothing");
    restart(&service, &[]).await.unwrap();
    drop(held);
    // Besides its streams the shell itself holds its script open.
    let open = world.read("out");
    let foreign: Vec<&str> = open
        .lines()
        .filter(|line| line.contains(" -> "))
        .filter(|line| !["/dev/null", "pipe:", "restart", "/out"].iter().any(|own| line.contains(own)))
        .collect();
    assert_eq!(foreign, Vec::<&str>::new());
    let environment = world.read("out.env");
    assert!(environment.contains("PATH=") && !environment.contains("CARGO_MANIFEST_DIR="), "{environment}");
}

#[tokio::test]
async fn a_command_cannot_be_observed() {
    let service = command(&["true"]);
    let seen = service.observe().await.unwrap().remove(0);
    assert_eq!((seen.identity, seen.age, seen.condition), (None, None, Condition::Unknown));
    service.ready(&only(&service)).await.unwrap();
}

#[tokio::test]
async fn a_manual_service_says_what_to_type_and_touches_nothing() {
    let world = World::new();
    let touched = world.path("touched");
    let manual = Manual::new(Some(Box::new(command(&["touch", touched.to_str().unwrap()]))));
    assert_eq!(manual.profile().action, Action::Manual);
    assert_eq!(manual.instructions(), [format!("touch {}", touched.display())]);
    let error = restart(&manual, &["u1@ex.test"]).await.unwrap_err();
    assert_eq!(error.fault, Fault::Denied);
    assert!(error.help.unwrap().contains("touch "));
    assert!(!touched.exists());
    assert_eq!(manual.observe().await.unwrap().len(), 1);

    let alone = Manual::new(None);
    assert!(restart(&alone, &[]).await.unwrap_err().help.unwrap().contains("popgate restart --done"));
    assert_eq!(alone.observe().await.unwrap()[0].instance, only(&alone));
}

#[tokio::test]
async fn nothing_owes_nothing() {
    assert_eq!(Nothing.profile().action, Action::None);
    assert_eq!(Nothing.profile().instances, []);
    assert_eq!(Nothing.observe().await.unwrap(), []);
}

#[tokio::test]
async fn an_announcement_says_what_would_be_restarted_and_for_how_many() {
    let service = Announce::default();
    for (disabled, says) in [(&[][..], "nobody lost"), (&["a"], "1 user lost"), (&["a", "b"], "2 users lost")]
    {
        let log = Log::start();
        restart(&service, disabled).await.unwrap();
        assert!(log.text().contains(says) && log.text().contains("the mail server"), "{}", log.text());
        assert_eq!(log.text().lines().count(), 1);
    }
}
