use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

/// A thing on the socket that answers every connection with these bytes and then closes it.
fn answering(answer: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(&address(dir.path()).path).unwrap();
    let answer = answer.to_owned();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    dir
}

/// Temporary directories may have long paths.
fn address(dir: &Path) -> Address {
    Address::of(dir).unwrap().unwrap()
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn reconcile() -> Command {
    Command::Reconcile { by: "anna".to_owned() }
}

#[tokio::test]
async fn without_a_daemon_there_is_no_status_and_no_command() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(status(dir.path()).await.unwrap(), None);
    assert_eq!(status(&dir.path().join("missing")).await.unwrap(), None);
    let long = dir.path().join("x".repeat(200));
    assert_eq!(status(&long).await.unwrap(), None);
    let error = command(dir.path(), &reconcile()).await.unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon { .. }), "{error}");
    assert!(error.to_string().contains("start it with `popgate run`"), "{error}");
}

#[tokio::test]
async fn a_socket_that_a_crashed_daemon_left_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(&address(dir.path()).path).unwrap());
    assert!(socket_path(dir.path()).exists());
    assert_eq!(status(dir.path()).await.unwrap(), None);
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(&address(dir.path()).path).unwrap();
    let call = Call::connect(dir.path()).await.unwrap().unwrap();
    let answered = call.ask(Method::GET, "/v1/status", Bytes::new(), Duration::from_millis(50)).await;
    assert!(matches!(answered, Err(ClientError::Silent { .. })), "{answered:?}");
}

#[tokio::test]
async fn a_daemon_that_takes_no_connection_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(&address(dir.path()).path).unwrap();
    // Fills the queue of connections that nobody takes.
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&address(dir.path()).path).await {
        waiting.push(stream);
        assert!(waiting.len() < 100_000, "the queue has no end");
    }
    let error = status(dir.path()).await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { after: 2, .. }), "{error}");
}

#[tokio::test]
async fn answers_that_are_no_http_or_break_off_are_errors() {
    for answer in ["", "\0\0\0garbage", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"version\""] {
        let error = status(answering(answer).path()).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn the_answer_of_another_version_names_that_version() {
    let dir = answering(&http("200 OK", r#"{"version": "9.9.9", "mood": "fine"}"#));
    let error = status(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("the daemon is popgate 9.9.9"), "{error}");
    let dir = answering(&http("200 OK", "<html>"));
    let error = status(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("of an unknown version"), "{error}");
}

#[tokio::test]
async fn a_refusal_that_is_not_the_engines_own_is_an_error_with_the_daemons_words() {
    let dir = answering(&http("503 Service Unavailable", r#"{"error": "the daemon is leaving"}"#));
    let error = command(dir.path(), &reconcile()).await.unwrap_err().to_string();
    assert!(error.contains("answered 503: the daemon is leaving"), "{error}");
    let dir = answering(&http("500 Internal Server Error", "oops"));
    let error = status(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("answered 500: without saying why"), "{error}");
}

#[test]
fn only_root_oneself_and_the_owner_of_the_state_directory_are_believed() {
    assert!(is_trusted(0, 1000, 1001));
    assert!(is_trusted(1000, 1000, 1001));
    assert!(is_trusted(1001, 1000, 1001));
    assert!(!is_trusted(1002, 1000, 1001));
    assert!(!is_trusted(1000, 0, 1001));
}
