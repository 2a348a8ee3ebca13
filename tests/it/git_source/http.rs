//! A password for HTTP: it reaches the server and nobody else. The server is git's own, behind a few lines of CGI.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::{names, push, repository};
use crate::world::{World, require};

/// `git:hunter2` as HTTP writes it (RFC 7617).
const AUTHORIZATION: &str = "Basic Z2l0Omh1bnRlcjI=";

/// Serves the repository to who knows the password; takes down what else was asked. Ends with the process.
fn serve(world: &World) -> (u16, Arc<Mutex<u32>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (root, turned_away) = (world.path(""), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&turned_away);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &root, &count);
        }
    });
    (port, turned_away)
}

fn answer(mut stream: TcpStream, root: &std::path::Path, turned_away: &Mutex<u32>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut headers) = (String::new(), Vec::new());
    reader.read_line(&mut request).unwrap();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone());
    if header("authorization").as_deref() != Some(AUTHORIZATION) {
        *turned_away.lock().unwrap() += 1;
        let refusal = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap();
        return;
    }
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new(require("git"));
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_PROJECT_ROOT", root).env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("REQUEST_METHOD", method).env("CONTENT_LENGTH", body.len().to_string());
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        command.env(variable, header(name).unwrap_or_default());
    }
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let answer = child.wait_with_output().unwrap().stdout;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest = head.lines().filter(|line| !line.starts_with("Status: ")).collect::<Vec<_>>().join("\r\n");
    let content = &answer[end + 4..];
    let head = format!(
        "HTTP/1.1 {status}\r\n{rest}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content)));
}

/// Puts a git in front that takes down its arguments.
fn watched(world: &mut World) {
    let git = require("git");
    world.script("bin/git", &format!("printf '%s\\n' \"$*\" >> \"$WATCHED\"; exec {} \"$@\"", git.display()));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", world.path("bin").display());
    world.env("PATH", path);
    world.env("WATCHED", world.path("arguments").display().to_string());
}

#[test]
fn a_password_reaches_the_server_and_nobody_else() {
    let mut world = repository("");
    push(&world, &[3]);
    let (port, turned_away) = serve(&world);
    watched(&mut world);
    let url = format!("http://127.0.0.1:{port}/origin");
    // By each way to a secret.
    world.write("token", "hunter2\n");
    world.env("TOKEN", "hunter2");
    for secret in ["{file: token}", "{env: TOKEN}", "{command: [/bin/echo, hunter2]}"] {
        names(&world, &format!("{{git: '{url}', password: {secret}}}"));
        let plan = world.popgate(["-vv", "plan"]).success();
        assert!(plan.stdout.contains("u3@x.test"), "{}", plan.stdout);
        assert!(!(plan.stdout + &plan.stderr).contains("hunter2"));
    }
    assert!(*turned_away.lock().unwrap() > 0, "git asks first without");
    assert!(!world.read("arguments").contains("hunter2"), "{}", world.read("arguments"));
    let mut command = world.command("/bin/grep");
    command.args(["-r", "hunter2", "state"]);
    let _nothing = world.run(command, "").ends_with(1);

    world.write("token", "wrong\n");
    names(&world, &format!("{{git: '{url}', password: {{file: token}}}}"));
    let plan = world.popgate(["plan"]).ends_with(1);
    assert!(plan.stderr.contains("cannot be fetched"), "{}", plan.stderr);
    assert!(!plan.stderr.contains("wrong"), "{}", plan.stderr);
    names(&world, &format!("{{git: '{url}', password: {{env: NOT_SET}}}}"));
    let plan = world.popgate(["plan"]).ends_with(1);
    assert!(plan.stderr.contains("`NOT_SET`"), "{}", plan.stderr);
    // And without a password nobody is asked for one.
    names(&world, &format!("{{git: '{url}'}}"));
    let _plan = world.popgate(["plan"]).ends_with(1);
}
