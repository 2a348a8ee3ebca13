//! What is asked and what is answered.

use super::*;
use crate::engine::status::{OwedStatus, PlanStatus, ServiceStatus};
use crate::journal::fold::Suspension;
use crate::services::Instance;

fn reconcile(by: &str) -> Command {
    Command::Reconcile { by: by.to_owned() }
}

#[tokio::test]
async fn a_status_arrives_whole_and_is_the_latest() {
    let world = World::new().await;
    let at: Timestamp = "2026-03-04T05:06:07.123456789Z".parse().unwrap();
    let instance = Instance { server: "ex01".to_owned(), service: "MSExchangePop3".to_owned() };
    let status = Status {
        live: true,
        targets: vec![TargetStatus {
            name: "on prem \"é\u{202e}\n".to_owned(),
            invalid: Some((at, 3)),
            plan: Some(PlanStatus {
                guards: vec![("max_disable".to_owned(), u64::MAX, 10)],
                ..PlanStatus::default()
            }),
            ..TargetStatus::default()
        }],
        services: vec![ServiceStatus {
            name: "exchange".to_owned(),
            owed: vec![OwedStatus {
                instance: instance.clone(),
                since: at,
                due: None,
                overdue: true,
                accounts: 2,
                not_effective: vec!["anna".to_owned()],
                failure: Some("refused".to_owned()),
                arriving: Some(("2 are on their way".to_owned(), at)),
            }],
            settled: Vec::new(),
            unready: vec![(instance, "port 110 is closed".to_owned())],
            unknown: false,
        }],
        suspended: Some(Suspension { by: "a".to_owned(), reason: String::new(), since: at, until: Some(at) }),
        journal: Some("disk full".to_owned()),
    };
    world.publish.send_replace(Arc::new(Snapshot { status: status.clone(), ..snapshot() }));
    let found = client::status(world.path()).await.unwrap().unwrap();
    let started = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(found, DaemonStatus { version: "1.2.3".to_owned(), pid: 4711, started, status });
}

#[tokio::test]
async fn every_command_arrives_as_it_was_sent_and_both_kinds_of_answer_come_back() {
    let mut world = World::new().await;
    let (by, reason) = ("anna@x.example".to_owned(), "\"quoted\" \\ ünïcode \u{0}\n".to_owned());
    let until = Some("2026-03-04T05:06:07.5Z".parse().unwrap());
    let commands = [
        Command::Approve { id: PlanId::from_text("abc"), by: by.clone(), reason: reason.clone() },
        reconcile(&by),
        Command::Restart { by: by.clone(), reason: Some(reason.clone()) },
        Command::RestartDone { by: by.clone() },
        Command::Suspend { by: by.clone(), reason: reason.clone(), until },
        Command::Suspend { by: by.clone(), reason: reason.clone(), until: None },
        Command::Resume { by, reason },
    ];
    for (number, sent) in commands.into_iter().enumerate() {
        let reply = if number % 2 == 0 { Ok(format!("done {number}")) } else { Err(format!("no {number}")) };
        let (answered, ()) = tokio::join!(client::command(world.dir.path(), &sent), async {
            let request = world.requests.recv().await.unwrap();
            assert_eq!(request.command, sent);
            request.reply.send(reply.clone()).unwrap();
        });
        assert_eq!(answered.unwrap(), reply);
    }
}

#[tokio::test]
async fn two_commands_at_once_get_each_its_own_answer() {
    let mut world = World::new().await;
    let (one, other) = (reconcile("one"), reconcile("other"));
    let (first, second, ()) = tokio::join!(
        client::command(world.dir.path(), &one),
        client::command(world.dir.path(), &other),
        async {
            // Both are there before either is answered.
            let requests = [world.requests.recv().await.unwrap(), world.requests.recv().await.unwrap()];
            for Request { command, reply } in requests.into_iter().rev() {
                let Command::Reconcile { by } = command else { panic!("{command:?}") };
                reply.send(Ok(by)).unwrap();
            }
        }
    );
    assert_eq!(first.unwrap().unwrap(), "one");
    assert_eq!(second.unwrap().unwrap(), "other");
}

#[tokio::test]
async fn a_status_is_answered_while_a_command_waits() {
    let mut world = World::new().await;
    let command = reconcile("anna");
    let asked = client::command(world.dir.path(), &command);
    let (answered, ()) = tokio::join!(asked, async {
        let request = world.requests.recv().await.unwrap();
        assert!(client::status(world.dir.path()).await.unwrap().is_some());
        request.reply.send(Ok("done".to_owned())).unwrap();
    });
    assert_eq!(answered.unwrap().unwrap(), "done");
}

#[tokio::test]
async fn a_command_under_way_at_the_shutdown_is_still_answered() {
    let mut world = World::new().await;
    let command = reconcile("anna");
    let (answered, ()) = tokio::join!(client::command(world.dir.path(), &command), async {
        let request = world.requests.recv().await.unwrap();
        world.shutdown.cancel();
        while socket_path(world.dir.path()).exists() {
            tokio::task::yield_now().await;
        }
        request.reply.send(Ok("done".to_owned())).unwrap();
    });
    assert_eq!(answered.unwrap().unwrap(), "done");
    world.serving.await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_leaves_is_not_mistaken_for_one_that_refuses() {
    let mut world = World::new().await;
    let command = reconcile("anna");
    let (answered, ()) = tokio::join!(client::command(world.dir.path(), &command), async {
        drop(world.requests.recv().await.unwrap());
    });
    let error = answered.unwrap_err().to_string();
    assert!(error.contains("503: the daemon left before it answered"), "{error}");

    world.requests.close();
    let error = client::command(world.path(), &command).await.unwrap_err().to_string();
    assert!(error.contains("503: the daemon is leaving and did not take the command"), "{error}");
}

#[tokio::test]
async fn a_busy_daemon_is_told_apart_by_whether_it_took_the_command() {
    let mut world = World::with(short(), 1).await;
    let command = reconcile("anna");
    let error = client::command(world.path(), &command).await.unwrap_err().to_string();
    assert!(error.contains("504: the daemon took the command"), "{error}");
    // The first one still stands in the queue of one.
    let error = client::command(world.path(), &command).await.unwrap_err().to_string();
    assert!(error.contains("503: the daemon is busy and did not take the command"), "{error}");
    let request = world.requests.recv().await.unwrap();
    assert_eq!(request.command, command);
    assert!(request.reply.send(Ok(String::new())).is_err(), "nobody waits any longer");
    assert!(world.requests.try_recv().is_err());
    world.assert_alive().await;
}

#[tokio::test]
async fn a_plan_is_named_by_its_target() {
    let world = World::new().await;
    let answered = world.get("/v1/plan").await;
    assert!(
        answered.starts_with("HTTP/1.1 404 ") && answered.contains("nothing is planned yet"),
        "{answered}"
    );

    world.publish.send_replace(Arc::new(Snapshot { plans: vec![plan("cloud", 3)], ..snapshot() }));
    let answered = world.get("/v1/plan").await;
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.contains("\"enable\":3"), "{answered}");
    assert!(answered.contains(&format!("\"id\":\"{}\"", plan("cloud", 3).id)), "{answered}");

    let plans = vec![plan("cloud", 3), plan("on prem", 4)];
    world.publish.send_replace(Arc::new(Snapshot { plans, ..snapshot() }));
    let answered = world.get("/v1/plan?target=on%20prem").await;
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.contains("\"enable\":4"), "{answered}");
    for (uri, status, text) in [
        ("/v1/plan", "400", "say which target with `?target=`: cloud, on prem"),
        ("/v1/plan?target=idle", "404", "nothing is planned yet for the target `idle`"),
        ("/v1/plan?target=gone", "404", "there is no target `gone`; there are: cloud, idle, on prem"),
        ("/v1/plan?target=a&target=b", "400", "duplicate field `target`"),
    ] {
        let answered = world.get(uri).await;
        assert!(answered.starts_with(&format!("HTTP/1.1 {status} ")), "{uri}: {answered}");
        assert!(answered.contains(text), "{uri}: {answered}");
    }
}
