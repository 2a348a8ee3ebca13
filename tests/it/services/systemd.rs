//! The unit of a stand-in for `systemctl`: systemd has to be process 1 to run, and where these tests run, in
//! containers above all, it is not. What the stand-in prints is what systemd 252 prints.

use std::time::Duration;

use popgate::model::{Fault, Severity};
use popgate::services::systemd::Systemd;
use popgate::services::{Condition, Service};

use super::only;
use crate::world::World;

/// A `systemctl` that answers `show` from a file, writes its calls down, and does `restart` as told.
fn systemctl(world: &World, restart: &str) -> Systemd {
    show(world, "active", "0a1b2c");
    let here = world.path("").display().to_string();
    let body = format!(
        "echo \"$*\" >> {here}calls\ncase $1 in\n  show) cat {here}shown ;;\n  restart) {restart} ;;\nesac"
    );
    let program = world.script("bin/systemctl", &body);
    Systemd { systemctl: program, timeout: Duration::from_secs(5), ..Systemd::new("dovecot") }
}

fn show(world: &World, active: &str, invocation: &str) {
    world.write(
        "shown",
        format!(
            "LoadState=loaded\nActiveState={active}\nSubState=x\nInvocationID={invocation}\n\
             InactiveExitTimestampMonotonic=5000000\nMainPID=0\n"
        ),
    );
}

#[tokio::test]
async fn a_unit_is_restarted_once_by_its_full_name() {
    let world = World::new();
    let service = systemctl(&world, "exit 0");
    let before = service.observe().await.unwrap().remove(0);
    assert_eq!(before.condition, Condition::Running);
    assert_eq!(before.identity.as_deref(), Some("0a1b2c"));
    assert!(before.age.unwrap() > Duration::from_secs(1));
    service.restart(&only(&service), &[]).await.unwrap();
    show(&world, "active", "ffff");
    service.ready(&only(&service)).await.unwrap();
    assert_ne!(service.observe().await.unwrap()[0].identity, before.identity);
    let calls = world.read("calls");
    let restarts: Vec<&str> = calls.lines().filter(|call| call.starts_with("restart")).collect();
    assert_eq!(restarts, ["restart --no-ask-password -- dovecot.service"]);
}

#[tokio::test]
async fn a_stopped_unit_is_stopped() {
    let world = World::new();
    let service = systemctl(&world, "exit 0");
    for state in ["inactive", "failed"] {
        show(&world, state, "");
        let seen = service.observe().await.unwrap().remove(0);
        assert_eq!((seen.condition, seen.identity, seen.age), (Condition::Stopped, None, None));
        assert_eq!(service.preflight().await[0].severity, Severity::Warning);
    }
}

#[tokio::test]
async fn a_unit_that_does_not_exist_is_an_error_with_a_remedy() {
    let world = World::new();
    let service = systemctl(&world, "exit 0");
    world.write("shown", "LoadState=not-found\nActiveState=inactive\nInvocationID=\n");
    let error = service.observe().await.unwrap_err();
    assert_eq!(error.fault, Fault::Invalid);
    assert_eq!(error.what, "systemd knows no unit dovecot.service");
    let finding = service.preflight().await.remove(0);
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.remedy.contains("list-unit-files"));
}

#[tokio::test]
async fn a_refused_restart_says_who_must_act() {
    for (says, fault, help) in [
        ("Failed to restart dovecot.service: Access denied", Fault::Denied, "polkit"),
        ("Failed to restart dovecot.service: Interactive authentication required.", Fault::Denied, "root"),
        ("Failed to restart dovecot.service: Unit dovecot.service not found.", Fault::Invalid, "unit"),
        ("Job for dovecot.service failed because the control process exited", Fault::TRANSIENT, "journalctl"),
        ("System has not been booted with systemd as init system (PID 1).", Fault::Invalid, "type: dovecot"),
    ] {
        let world = World::new();
        let service = systemctl(&world, &format!("echo '{says}' >&2; exit 1"));
        let error = service.restart(&only(&service), &[]).await.unwrap_err();
        assert_eq!(error.fault, fault, "{says}");
        assert!(error.what.contains(says), "{}", error.what);
        assert!(error.help.unwrap().contains(help), "{says}");
    }
}

#[tokio::test]
async fn a_unit_that_fails_after_its_restart_is_not_ready() {
    let world = World::new();
    let service = systemctl(&world, "exit 0");
    show(&world, "failed", "1");
    let error = service.ready(&only(&service)).await.unwrap_err();
    assert!(error.what.contains("failed after its restart"));
    show(&world, "activating", "1");
    let slow = Systemd { timeout: Duration::from_millis(600), ..service };
    let error = slow.ready(&only(&slow)).await.unwrap_err();
    assert!(error.what.contains("not active"), "{}", error.what);
}

#[tokio::test]
async fn a_missing_systemctl_and_an_answer_without_sense_are_errors_not_stopped() {
    let world = World::new();
    let service = systemctl(&world, "exit 0");
    for answer in ["", "nonsense\n", "ActiveState=inactive\n"] {
        world.write("shown", answer);
        assert!(service.observe().await.is_err(), "{answer:?}");
    }
    let missing = Systemd { systemctl: world.path("none"), ..service };
    assert!(missing.observe().await.unwrap_err().what.contains("there is no program"));
}
