//! What should not be on the wire.

use super::*;

#[tokio::test]
async fn what_is_not_a_command_is_refused_with_the_reason() {
    let mut world = World::new().await;
    for (body, text) in [
        ("", "this is not a command: EOF"),
        ("{", "this is not a command: EOF"),
        ("null", "this is not a command"),
        ("[]", "this is not a command"),
        ("{}", "missing field `command`"),
        (r#"{"command":"format_disk","by":"m"}"#, "unknown variant `format_disk`"),
        (r#"{"command":"approve","id":"x","by":"m"}"#, "missing field `reason`"),
        (r#"{"command":"reconcile","by":7}"#, "invalid type"),
        (r#"{"command":"suspend","by":"m","reason":"","until":"tomorrow"}"#, "this is not a command"),
        (r#"{"command":"reconcile","by":"m"} {"command":"reconcile","by":"m"}"#, "trailing characters"),
        (&format!(r#"{{"command":"reconcile","by":{}"#, "[".repeat(60_000)), "recursion limit"),
    ] {
        let answered = world.post(body).await;
        let shown: String = body.chars().take(80).collect();
        assert!(answered.starts_with("HTTP/1.1 400 "), "{shown}: {answered}");
        assert!(answered.contains("application/json") && answered.contains("{\"error\":"), "{answered}");
        assert!(answered.contains(text), "{shown}: {answered}");
    }
    let answered =
        world.raw(b"POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n\xff\xfe\x00").await;
    assert!(answered.starts_with("HTTP/1.1 400 "), "{answered}");
    assert!(world.requests.try_recv().is_err());
    world.assert_alive().await;
}

#[tokio::test]
async fn an_unknown_place_and_a_wrong_method_are_told() {
    let world = World::new().await;
    for uri in ["/", "/v1", "/v1/status/", "/v2/status", "/metrics", "/v1/%2e%2e/status", "//v1/status", "*"]
    {
        let answered = world.get(uri).await;
        assert!(
            answered.starts_with("HTTP/1.1 404 ") && answered.contains("/v1/status"),
            "{uri}: {answered}"
        );
    }
    let answered = world.get("/v1/command").await;
    assert!(answered.starts_with("HTTP/1.1 405 ") && answered.contains("sent with POST"), "{answered}");
    let answered = world.raw(b"DELETE /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answered.starts_with("HTTP/1.1 405 "), "{answered}");
}

#[tokio::test]
async fn a_huge_command_is_refused_however_it_is_sent() {
    let mut world = World::new().await;
    let answered = world.post(&"x".repeat(64 * 1024 + 1)).await;
    assert!(answered.starts_with("HTTP/1.1 413 ") && answered.contains("at most 65536 bytes"), "{answered}");

    let lying = b"POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    let answered = world.raw(&[lying.as_slice(), &vec![b'x'; 200_000]].concat()).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");

    let mut chunked = b"POST /v1/command HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'x'; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    let answered = world.raw(&chunked).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
    assert!(world.requests.try_recv().is_err());
    world.assert_alive().await;
}

#[tokio::test]
async fn a_command_of_exactly_the_limit_is_taken() {
    let mut world = World::new().await;
    let frame = r#"{"command":"reconcile","by":""}"#;
    let by = "x".repeat(64 * 1024 - frame.len());
    let body = format!(r#"{{"command":"reconcile","by":"{by}"}}"#);
    assert_eq!(body.len(), 64 * 1024);
    let requests = &mut world.requests;
    let mut stream = UnixStream::connect(&address(world.dir.path()).path).await.unwrap();
    let head = format!("POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.command, Command::Reconcile { by });
    request.reply.send(Ok("done".to_owned())).unwrap();
    let answered = answer(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with(r#"{"ok":"done"}"#), "{answered}");
}

#[tokio::test]
async fn garbage_does_not_hang_the_server() {
    let world = World::new().await;
    let long_uri = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let long_header = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let headers = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let garbage: [&[u8]; 9] = [
        b"\0\0\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"{\"command\":\"reconcile\",\"by\":\"x\"}\r\n\r\n",
        b"POST /v1/command HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        long_uri.as_bytes(),
        long_header.as_bytes(),
        headers.as_bytes(),
    ];
    for bytes in garbage {
        let answered = world.raw(bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        let refused =
            answered.is_empty() || answered.starts_with("HTTP/1.1 4") || answered.starts_with("HTTP/1.0 4");
        assert!(refused, "{shown}: {answered}");
    }
    world.assert_alive().await;
}

#[tokio::test]
async fn more_silent_connections_than_there_is_room_for_only_delay_the_others() {
    let world = World::with(short(), 1).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = UnixStream::connect(&address(world.path()).path).await.unwrap();
        if silent.len() % 2 == 0 {
            stream.write_all(b"GET /v1/status HTTP/1.1\r\nx").await.unwrap();
        }
        silent.push(stream);
    }
    world.assert_alive().await;
    // And each of them was closed, not only forgotten.
    for mut stream in silent {
        let answered = answer(&mut stream).await;
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 408 "), "{answered}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let world = World::with(short(), 1).await;
    let answered = world.raw(b"POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{\"c").await;
    assert!(answered.starts_with("HTTP/1.1 408 "), "{answered}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_command() {
    let mut world = World::new().await;
    let mut stream = UnixStream::connect(&address(world.path()).path).await.unwrap();
    let body = r#"{"command":"reconcile","by":"x"}"#;
    let head = format!("POST /v1/command HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len() + 1);
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answered = answer(&mut stream).await;
    assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 400 "), "{answered}");
    assert!(world.requests.try_recv().is_err());
    world.assert_alive().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_asking_is_answered() {
    let world = World::new().await;
    let mut stream = UnixStream::connect(&address(world.path()).path).await.unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let answered = answer(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.contains("\"pid\":4711"), "{answered}");
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_stop_the_shutdown() {
    let world = World::with(short(), 1).await;
    let huge = TargetStatus { name: "x".repeat(4_000_000), ..TargetStatus::default() };
    let status = Status { targets: vec![huge], ..Status::default() };
    world.publish.send_replace(Arc::new(Snapshot { status, ..snapshot() }));
    let mut stream = UnixStream::connect(&address(world.path()).path).await.unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), world.serving).await.unwrap().unwrap();
    assert!(!socket_path(world.dir.path()).exists());
}
