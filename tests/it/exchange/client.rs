//! The client: what it keeps, what it refuses, and that no session is left behind.

use std::time::Duration;

use popgate::psrp::{Auth, Client, Command, Ending, Endpoint, Error, Kind, Pipeline, Value};
use serde_json::{Value as Json, json};

use super::{basic, client, endpoint};
use crate::world::exchange::Exchange;

fn read_all() -> Pipeline {
    Pipeline::of([Command::new("Get-CASMailbox").with("ResultSize", "Unlimited")])
}

fn set(access: bool) -> Command {
    Command::new("Set-CASMailbox").with("PopEnabled", access)
}

async fn refused(endpoint: Endpoint) -> Error {
    match client(endpoint).open().await {
        Ok(_) => panic!("the session opened"),
        Err(error) => error,
    }
}

/// Waits until the double has no session left.
async fn alone(double: &Exchange) {
    for _ in 0..100 {
        if double.state()["open_shells"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a session was left behind: {}", double.state());
}

#[tokio::test]
async fn objects_errors_and_warnings_come_typed_and_the_session_goes() {
    let double = Exchange::start(&json!({"mailboxes": [
        {"name": "Zoë <&> 'O\"Neil' $(x) `; 😀", "alias": "zoe", "pop": true},
        {"name": "Bob", "pop": false},
    ]}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let (mailboxes, answer) = session.collect(&read_all()).await;
    assert!(answer.completed() && answer.errors.is_empty() && answer.warnings.is_empty(), "{answer:?}");
    let name = |value: &Value| value.member("Name").and_then(Value::text).unwrap();
    assert_eq!(mailboxes.iter().map(name).collect::<Vec<_>>(), ["Zoë <&> 'O\"Neil' $(x) `; 😀", "Bob"]);
    assert_eq!(mailboxes[0].member("PopEnabled").unwrap().truth(), Some(true));
    assert!(mailboxes[0].member("Guid").unwrap().guid().is_some());
    assert_eq!(
        mailboxes[0].member("PopMessagesRetrievalMimeFormat").unwrap().text().unwrap(),
        "BestBodyFormat"
    );
    assert_eq!(mailboxes[0].member("EmailAddresses").unwrap().items().len(), 1);

    let write = Pipeline::of([set(false)]).fed(["Zoë <&> 'O\"Neil' $(x) `; 😀", "nobody", "Bob"]);
    let (output, answer) = session.collect(&write).await;
    assert!(output.is_empty() && answer.completed());
    let [error] = &answer.errors[..] else { panic!("{answer:?}") };
    assert!(error.is("ManagementObjectNotFoundException"), "{error:?}");
    assert_eq!(error.failure_category(), Some("Cmdlet-ManagementObjectNotFoundException"));
    assert_eq!((error.category.as_str(), error.activity.as_str()), ("NotSpecified", "Set-CASMailbox"));
    assert!(error.message.contains("'nobody'") && error.target.is_empty(), "{error:?}");
    let [warning] = &answer.warnings[..] else { panic!("{answer:?}") };
    assert!(warning.message.contains("no settings of 'contoso.example/Users/Bob'"), "{warning:?}");
    session.close().await.unwrap();
    assert_eq!(double.state()["open_shells"], 0);
}

#[tokio::test]
async fn a_server_may_call_session_and_commands_as_it_likes() {
    let double = Exchange::start(&json!({"own_names": true, "generate": 3}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let (mailboxes, answer) = session.collect(&read_all()).await;
    assert!(answer.completed() && mailboxes.len() == 3, "{answer:?}");
    let name = mailboxes[0].member("Name").and_then(Value::text).unwrap();
    let (_, answer) = session.collect(&Pipeline::of([set(false)]).fed([name.as_str(), "nobody"])).await;
    assert!(answer.completed() && answer.errors.len() == 1, "{answer:?}");
    let (_, answer) = session.collect(&read_all()).await;
    assert!(answer.completed(), "the last one was let go of by its name: {answer:?}");
    session.close().await.unwrap();
    alone(&double).await;
}

#[tokio::test]
async fn a_pipeline_that_fails_keeps_what_it_said_and_the_session_can_go_on() {
    let double = Exchange::start(&json!({"generate": 3, "hidden_parameters": ["Get-CASMailbox:Filter"]}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let (_, answer) = session.collect(&Pipeline::of([Command::new("Get-Nothing")])).await;
    let Ending::Failed(why) = &answer.ending else { panic!("{answer:?}") };
    assert!(why.is("CommandNotFoundException"), "{why:?}");
    assert_eq!((why.category.as_str(), why.target.as_str()), ("ObjectNotFound", "Get-Nothing"));
    let filtered = Pipeline::of([Command::new("Get-CASMailbox").with("Filter", "PopEnabled -eq $true")]);
    let (_, answer) = session.collect(&filtered).await;
    let Ending::Failed(why) = &answer.ending else { panic!("{answer:?}") };
    assert!(why.is("NamedParameterNotFound") && why.message.contains("'Filter'"), "{why:?}");
    let (mailboxes, answer) = session.collect(&read_all()).await;
    assert_eq!((mailboxes.len(), answer.ending), (3, Ending::Completed));
    session.close().await.unwrap();
}

#[tokio::test]
async fn ten_thousand_identities_take_a_handful_of_requests() {
    let double = Exchange::start(&json!({"generate": 10_000}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let mut guids = Vec::new();
    let select = Command::new("Select-Object").with("Property", ["Guid", "PopEnabled"]);
    let all = Pipeline::of([Command::new("Get-CASMailbox").with("ResultSize", "Unlimited"), select]);
    let answer = session.run(&all, &mut |mailbox| guids.extend(mailbox.member("Guid").cloned())).await;
    assert!(answer.completed() && guids.len() == 10_000, "{}", guids.len());
    let before = session.requests();
    let answer = session.run(&Pipeline::of([set(true)]).fed(guids), &mut |_| ()).await;
    assert!(answer.completed() && answer.errors.is_empty(), "{answer:?}");
    assert_eq!(answer.warnings.len(), 5_000, "the other half had it already");
    let requests = session.requests() - before;
    assert!(requests <= 100, "{requests} requests, where one pipeline for each takes 20,000");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_dropped_or_whose_task_is_aborted_is_deleted_all_the_same() {
    let double = Exchange::start(&json!({"generate": 50, "latency_ms": 100}));
    drop(client(endpoint(&double)).open().await.unwrap());
    alone(&double).await;
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let task =
        tokio::spawn(
            async move { session.run(&Pipeline::of([set(true)]).fed(["a"; 500]), &mut |_| ()).await },
        );
    tokio::time::sleep(Duration::from_millis(300)).await;
    task.abort();
    alone(&double).await;
    popgate::psrp::farewell(Duration::from_secs(5)).await;
    // Also one that was aborted while it opened.
    let opening = client(endpoint(&double));
    let task = tokio::spawn(async move { opening.open().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(20)).await;
    task.abort();
    popgate::psrp::farewell(Duration::from_secs(5)).await;
    alone(&double).await;
}

#[tokio::test]
async fn a_pipeline_that_takes_too_long_is_stopped() {
    let double = Exchange::start(&json!({"generate": 1, "latency_ms": 100}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    let slow = Pipeline::of([set(true)]).fed(["User 00000"; 300]).within(Duration::from_secs(1));
    let (_, answer) = session.collect(&slow).await;
    assert_eq!(answer.ending, Ending::Stopped);
    let (_, answer) = session.collect(&read_all()).await;
    assert!(answer.completed(), "{answer:?}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn the_cookie_of_a_load_balancer_is_kept() {
    let double = Exchange::start(&json!({"generate": 2, "require_cookie": true}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    assert!(session.collect(&read_all()).await.1.completed());
    session.close().await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why() {
    let double = Exchange::start(&json!({}));
    let wrong = refused(Endpoint { auth: basic(&double, "wrong"), ..endpoint(&double) }).await;
    assert_eq!(wrong.kind, Kind::Unauthorised);
    assert!(wrong.what.contains("Basic") && !wrong.what.contains("wrong"), "{wrong}");

    let elsewhere = endpoint(&double).url.replace("/PowerShell/", "/owa/");
    let error = refused(Endpoint { url: elsewhere, ..endpoint(&double) }).await;
    assert_eq!(error.kind, Kind::WrongAddress, "{error}");
    let error = refused(Endpoint { configuration: "Microsoft.PowerShell".into(), ..endpoint(&double) }).await;
    assert!(error.what.contains("2150858811") && error.help.contains("/wsman"), "{error}: {}", error.help);

    let mut nobody = endpoint(&double);
    nobody.url = "https://127.0.0.1:9/PowerShell/".into();
    assert_eq!(refused(nobody).await.kind, Kind::Unreachable);
    let mut missing = endpoint(&double);
    missing.auth =
        Auth::Basic { username: "x".into(), password: popgate::secret::Secret::Env("NO_SUCH_SECRET".into()) };
    assert_eq!(refused(missing).await.kind, Kind::Secret);
    alone(&double).await;
}

#[tokio::test]
async fn basic_over_plain_http_goes_to_this_machine_only() {
    let double = Exchange::start(&json!({"generate": 1}));
    let mut plain = endpoint(&double);
    plain.url = format!("http://127.0.0.1:{}/PowerShell/", double.port("http"));
    client(plain.clone()).open().await.unwrap().close().await.unwrap();
    plain.url = "http://ex01.contoso.example/PowerShell/".into();
    let error = Client::new(plain).unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.what.contains("plain HTTP"), "{error}");
    let mut userinfo = endpoint(&double);
    userinfo.url = "https://a:b@localhost/PowerShell/".into();
    let error = Client::new(userinfo).unwrap_err();
    assert!(error.what.contains("no plain"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused_with_the_remedy() {
    for (certificate, word) in [("expired", "expired"), ("other_name", "another name")] {
        let double = Exchange::start(&json!({"certificate": certificate}));
        let error = refused(endpoint(&double)).await;
        assert_eq!(error.kind, Kind::Tls, "{error}");
        assert!(error.help.contains(word), "{error}: {}", error.help);
    }
    let double = Exchange::start(&json!({}));
    let mut stranger = endpoint(&double);
    stranger.trust.authorities = None;
    let error = refused(stranger.clone()).await;
    assert!(error.kind == Kind::Tls && error.help.contains("ca_file"), "{error}: {}", error.help);
    // A pin trusts it nevertheless; a wrong one names the right one.
    stranger.trust.pins = vec![popgate::tls::Pin::parse(&"00".repeat(32)).unwrap()];
    let error = refused(stranger.clone()).await;
    assert!(error.what.contains("not the one pinned"), "{error}");
    let words: Vec<&str> = error.what.split([' ', ',']).filter(|word| word.starts_with("sha256:")).collect();
    assert_eq!(words.len(), 2, "{error}");
    for pin in words {
        stranger.trust.pins = vec![popgate::tls::Pin::parse(pin).unwrap()];
        client(stranger.clone()).open().await.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_nineteenth_session_is_told_of_the_limit() {
    let double = Exchange::start(&json!({"session_limit": 2}));
    let (one, two) =
        (client(endpoint(&double)).open().await.unwrap(), client(endpoint(&double)).open().await.unwrap());
    let error = refused(endpoint(&double)).await;
    assert_eq!(error.kind, Kind::SessionLimit, "{error}");
    assert!(error.kind.is_transient() && error.help.contains("18"), "{}", error.help);
    one.close().await.unwrap();
    client(endpoint(&double)).open().await.unwrap().close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test]
async fn answers_that_break_off_are_compressed_or_strange_are_errors_of_their_own() {
    type Fits = fn(&Kind) -> bool;
    let double = Exchange::start(&json!({"generate": 500}));
    let cases: [(Json, Fits, &str); 5] = [
        (json!({"kind": "half", "after": 3}), |kind| matches!(kind, Kind::Unreachable | Kind::Protocol), ""),
        (json!({"kind": "compress", "after": 3}), |kind| *kind == Kind::Protocol, "compressed"),
        (json!({"kind": "gone", "after": 3}), |kind| *kind == Kind::Unreachable, "hung up"),
        (
            json!({"kind": "fault", "code": 2_150_858_999_u32, "action": "Receive", "after": 1}),
            |kind| matches!(kind, Kind::Refused { .. }),
            "2150858999",
        ),
        (json!({"kind": "lost_shell", "after": 2}), |kind| *kind == Kind::SessionLost, "2150858843"),
    ];
    let mut broken = 0;
    for (fault, fits, words) in cases {
        let mut session = client(endpoint(&double)).open().await.unwrap();
        double.fault(&fault);
        let mut last = None;
        for _ in 0..8 {
            let pipeline =
                Pipeline::of([set(true)]).fed(["User 00000", "User 00001", "User 00002", "User 00003"]);
            let (_, answer) = session.collect(&pipeline).await;
            if let Ending::Lost(error) | Ending::Refused(error) = answer.ending {
                last = Some(error);
                break;
            }
        }
        let error = last.unwrap_or_else(|| panic!("{fault}: nothing happened"));
        assert!(fits(&error.kind) && error.what.contains(words), "{fault}: {error:?}");
        if !session.is_open() {
            let (_, answer) = session.collect(&read_all()).await;
            let Ending::Refused(after) = answer.ending else { panic!("{fault}: {:?}", answer.ending) };
            assert!(after.what.contains("the session is broken") && after.in_vain, "{fault}: {after:?}");
            assert!(after.what.contains(&error.what), "{fault}: {after:?}");
            assert_eq!((after.kind, after.help), (error.kind, error.help), "{fault}");
            broken += 1;
        }
        drop(session);
        // Its goodbye would use up the next fault.
        popgate::psrp::farewell(Duration::from_secs(5)).await;
        double.control("/server", &json!({"of": "EX01", "down": false}));
    }
    assert!(broken > 0, "no session was broken");
}

#[tokio::test]
async fn input_that_is_not_taken_ends_the_pipeline_and_says_why() {
    let double = Exchange::start(&json!({"generate": 2}));
    let mut session = client(endpoint(&double)).open().await.unwrap();
    double.fault(&json!({"kind": "fault", "code": 2_150_859_999_u32, "action": "Send"}));
    let (_, answer) = session.collect(&Pipeline::of([set(false)]).fed(["User 00000"])).await;
    let Ending::Lost(error) = &answer.ending else { panic!("{answer:?}") };
    assert!(error.what.contains("sending input") && error.what.contains("2150859999"), "{error}");
    drop(session);
    alone(&double).await;
}
