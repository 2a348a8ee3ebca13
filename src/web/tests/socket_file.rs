//! The file, its life and its owner.

use std::os::unix::fs::PermissionsExt;

use super::super::connection::{Peer, converse};
use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn the_socket_and_a_new_state_directory_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("new").join("state");
    let _socket = Socket::bind(&state).await.unwrap();
    assert_eq!(mode(&socket_path(&state)), 0o600);
    assert_eq!(mode(&state), 0o700);
}

#[tokio::test]
async fn the_mode_of_a_directory_that_is_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _socket = Socket::bind(dir.path()).await.unwrap();
    assert_eq!(mode(dir.path()), 0o755);
    assert_eq!(mode(&socket_path(dir.path())), 0o600);
}

#[tokio::test]
async fn a_socket_that_a_crashed_daemon_left_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(&address(dir.path()).path).unwrap());
    let (control, _requests, _publish) = control(1);
    let shutdown = CancellationToken::new();
    let path = dir.path().to_owned();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { serve(&path, control, shutdown).await }
    });
    while client::status(dir.path()).await.unwrap().is_none() {
        assert!(!serving.is_finished(), "{:?}", serving.await);
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert!(!socket_path(dir.path()).exists());
}

#[tokio::test]
async fn a_socket_that_somebody_answers_on_is_left_to_him() {
    let world = World::new().await;
    let error = Socket::bind(world.path()).await.unwrap_err();
    assert!(matches!(error, ServeError::Answered { .. }), "{error}");
    world.assert_alive().await;
}

#[tokio::test]
async fn a_socket_whose_queue_is_full_is_somebodys() {
    let dir = tempfile::tempdir().unwrap();
    let _busy = tokio::net::UnixListener::bind(&address(dir.path()).path).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&address(dir.path()).path).await {
        waiting.push(stream);
        assert!(waiting.len() < 100_000, "the queue has no end");
    }
    let error = Socket::bind(dir.path()).await.unwrap_err();
    assert!(matches!(error, ServeError::Answered { .. }), "{error}");
}

#[tokio::test]
async fn a_file_in_the_way_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(socket_path(dir.path()), "mine").unwrap();
    let error = Socket::bind(dir.path()).await.unwrap_err();
    assert!(error.to_string().contains("it is not a socket; move it away"), "{error}");
    assert_eq!(std::fs::read_to_string(socket_path(dir.path())).unwrap(), "mine");

    std::fs::remove_file(socket_path(dir.path())).unwrap();
    std::os::unix::fs::symlink("nowhere", socket_path(dir.path())).unwrap();
    let error = Socket::bind(dir.path()).await.unwrap_err();
    assert!(matches!(error, ServeError::InTheWay { .. }), "{error}");
}

#[tokio::test]
async fn a_state_directory_that_is_a_file_is_an_error_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::write(&state, "").unwrap();
    let error = Socket::bind(&state).await.unwrap_err().to_string();
    assert!(error.contains(&state.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_long_state_path_works_for_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    for length in [80, 100, 103, 104, 107, 108, 120, 200] {
        // As long as wanted to the byte, wherever temporary directories are.
        let room = length.max(dir.path().as_os_str().len() + 2) - dir.path().as_os_str().len();
        let state = dir.path().join("d".repeat(room - 1));
        std::fs::create_dir_all(&state).unwrap();
        // A stale socket at a long path is recognised, too.
        let stale = Socket::bind(&state).await.unwrap();
        let aside = state.join("aside");
        std::fs::rename(socket_path(&state), &aside).unwrap();
        drop(stale);
        std::fs::rename(&aside, socket_path(&state)).unwrap();
        let (control, _requests, _publish) = control(1);
        let shutdown = CancellationToken::new();
        let socket = Socket::bind(&state).await.unwrap();
        assert_eq!(mode(&socket_path(&state)), 0o600);
        let serving = tokio::spawn(socket.serve(control, shutdown.clone()));
        let status = client::status(&state).await.unwrap().unwrap();
        assert_eq!(status.pid, 4711, "{length}");
        assert!(matches!(Socket::bind(&state).await, Err(ServeError::Answered { .. })));
        shutdown.cancel();
        serving.await.unwrap();
        assert!(!socket_path(&state).exists());
        assert_eq!(client::status(&state).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_socket_goes_with_the_shutdown_and_the_next_daemon_finds_its_place_free() {
    let world = World::new().await;
    world.assert_alive().await;
    world.shutdown.cancel();
    world.serving.await.unwrap();
    assert!(!socket_path(world.dir.path()).exists());
    assert_eq!(client::status(world.dir.path()).await.unwrap(), None);
    let _next = Socket::bind(world.dir.path()).await.unwrap();
}

#[tokio::test]
async fn the_socket_goes_when_serving_is_dropped() {
    let world = World::new().await;
    world.assert_alive().await;
    world.serving.abort();
    assert!(world.serving.await.unwrap_err().is_cancelled());
    assert!(!socket_path(world.dir.path()).exists());
}

#[tokio::test]
async fn the_socket_of_a_successor_is_not_removed() {
    let world = World::new().await;
    std::fs::remove_file(socket_path(world.path())).unwrap();
    let successor = Socket::bind(world.path()).await.unwrap();
    world.shutdown.cancel();
    world.serving.await.unwrap();
    assert!(socket_path(world.dir.path()).exists());
    drop(successor);
    assert!(!socket_path(world.dir.path()).exists());
}

#[test]
fn root_and_the_own_user_are_welcome_and_nobody_else() {
    assert_eq!(Peer::of(Some(1000), Some(1000)), Peer::Welcome);
    assert_eq!(Peer::of(Some(0), Some(1000)), Peer::Welcome);
    assert_eq!(Peer::of(Some(1001), Some(1000)), Peer::Stranger);
    assert_eq!(Peer::of(Some(1000), Some(0)), Peer::Stranger);
    assert_eq!(Peer::of(None, Some(1000)), Peer::Stranger);
    assert_eq!(Peer::of(None, None), Peer::Stranger);
}

#[tokio::test]
async fn a_stranger_gets_403_whatever_he_asks_and_no_command_passes() {
    for head in ["GET /v1/status", "GET /v1/plan", "POST /v1/command", "GET /else"] {
        let (control, mut requests, _publish) = control(1);
        let router = routes::router(control, Limits::default());
        let (mut here, there) = UnixStream::pair().unwrap();
        let talk = tokio::spawn(converse(there, Peer::Stranger, router, Limits::default()));
        let body = r#"{"command":"reconcile","by":"mallory"}"#;
        let request = format!("{head} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        here.write_all(request.as_bytes()).await.unwrap();
        let answered = answer(&mut here).await;
        assert!(answered.starts_with("HTTP/1.1 403 "), "{answered}");
        assert!(answered.contains("only root and the user the daemon runs as"), "{answered}");
        talk.await.unwrap();
        assert!(requests.try_recv().is_err());
    }
}
