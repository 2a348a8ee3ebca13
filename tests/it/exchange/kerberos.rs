//! Kerberos against a real MIT KDC, with pyspnego on the other side. Each popgate is a process of its own, because the
//! realm comes from the environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::world::exchange::{Exchange, PASSWORD};

fn scenario(more: &[(&str, Json)]) -> Json {
    let mut scenario = json!({
        "auth": ["negotiate"],
        "mailboxes": [{"name": "Alice"}, {"name": "Bob", "pop": false}],
        "users": {},
    });
    for (name, value) in more {
        scenario[*name] = value.clone();
    }
    scenario
}

/// Runs popgate on a double, with a store that has these settings besides.
fn popgate(double: &Exchange, store: &str, arguments: &[&str], cache: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_popgate"));
    run(command.args(arguments), double, store, cache)
}

fn run(command: &mut Command, double: &Exchange, store: &str, cache: Option<&Path>) -> Output {
    let dir = double.dir();
    std::fs::create_dir_all(dir.join("desired")).unwrap();
    std::fs::write(
        dir.join("desired/users.yaml"),
        "pop3:\n  Alice: disabled\n  bob@contoso.example: enabled\n",
    )
    .unwrap();
    let ca = double.ca();
    let settings = format!(
        "targets:\n  t:\n    desired: desired\n    store: {{type: exchange, ca_file: {}, {store}}}\n    service: {{type: none}}\n    \
         windows: always\n",
        ca.display()
    );
    std::fs::write(dir.join("popgate.yaml"), settings).unwrap();
    command.current_dir(dir).env_remove("KRB5CCNAME").env("KRB5_CONFIG", double.krb5_config());
    match cache {
        Some(cache) => command.env("KRB5CCNAME", format!("FILE:{}", cache.display())),
        None => command.env("KRB5CCNAME", "FILE:/nonexistent/cache"),
    };
    command.output().unwrap()
}

#[track_caller]
fn applies(double: &Exchange, store: &str, cache: Option<&Path>) {
    let output = popgate(double, store, &["apply", "--yes"], cache);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!double.pop("alice@contoso.example") && double.pop("bob@contoso.example"), "written");
    assert_eq!(double.state()["open_shells"], 0);
}

#[track_caller]
fn fails(double: &Exchange, store: &str, words: &[&str]) {
    let output = popgate(double, store, &["plan"], None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

fn keytab(double: &Exchange) -> String {
    format!("keytab: {}, username: svc-popgate@CONTOSO.EXAMPLE", double.keytab("svc-popgate").display())
}

fn url(double: &Exchange, scheme: &str) -> String {
    format!("url: \"{scheme}://localhost:{}/PowerShell/\"", double.port(scheme))
}

#[test]
fn a_keytab_opens_exchange_over_tls() {
    let double = Exchange::start(&scenario(&[]));
    applies(&double, &format!("{}, {}", url(&double, "https"), keytab(&double)), None);
}

#[test]
fn over_plain_http_everything_is_sealed_also_with_the_boundary_of_exchange() {
    let double = Exchange::start(&scenario(&[]));
    applies(&double, &format!("{}, {}", url(&double, "http"), keytab(&double)), None);
}

#[test]
fn a_password_will_do_and_a_wrong_one_is_told() {
    let double = Exchange::start(&scenario(&[]));
    std::fs::write(double.dir().join("right"), PASSWORD).unwrap();
    std::fs::write(double.dir().join("wrong"), "hunter2").unwrap();
    let with = |file: &str| {
        format!("{}, username: svc-popgate@CONTOSO.EXAMPLE, password: {{file: {file}}}", url(&double, "http"))
    };
    fails(&double, &with("wrong"), &["no Kerberos ticket", "the password or the keys are not those"]);
    applies(&double, &with("right"), None);
}

/// Gets a ticket of this life into a cache beside the double.
fn kinit(double: &Exchange, life: &str) -> PathBuf {
    let cache = double.dir().join("cache");
    let done = Command::new("kinit")
        .args(["-l", life, "-k", "-t"])
        .arg(double.keytab("svc-popgate"))
        .arg("-c")
        .arg(format!("FILE:{}", cache.display()))
        .arg("svc-popgate@CONTOSO.EXAMPLE")
        .env("KRB5_CONFIG", double.krb5_config())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    cache
}

#[test]
fn a_ticket_of_the_cache_will_do_until_it_expires() {
    let double = Exchange::start(&scenario(&[]));
    fails(&double, &url(&double, "https"), &["no Kerberos ticket", "`keytab`"]);
    let cache = kinit(&double, "1h");
    applies(&double, &url(&double, "https"), Some(&cache));
    kinit(&double, "1s");
    let said = crate::world::wait_until("the ticket to expire", || {
        let output = popgate(&double, &url(&double, "https"), &["plan"], Some(&cache));
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    });
    assert!(said.contains("expired") && said.contains("kinit"), "{said}");
}

/// Runs `popgate plan` on a machine whose clock is so far off.
fn off(double: &Exchange, store: &str, cache: Option<&Path>, by: &str) -> (Option<i32>, String) {
    let mut faketime = Command::new("faketime");
    faketime.args(["-m", "-f", by, env!("CARGO_BIN_EXE_popgate"), "plan"]);
    let output = run(&mut faketime, double, store, cache);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_clock_that_is_off_is_told_where_nothing_puts_it_right() {
    let double = Exchange::start(&scenario(&[("clockskew", json!(60))]));
    // With keys, the KDC's own time counts.
    let (code, said) = off(&double, &format!("{}, {}", url(&double, "https"), keytab(&double)), None, "+20m");
    assert_eq!(code, Some(0), "{said}");
    let cache = kinit(&double, "1h");
    for scheme in ["https", "http"] {
        for by in ["+20m", "-20m"] {
            let (code, said) = off(&double, &url(&double, scheme), Some(&cache), by);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("the clocks differ"), "{scheme} {by}: {said}");
        }
        // With a ticket for the server at hand it is the server that refuses, and it does not say why.
        let known = popgate(&double, &url(&double, scheme), &["plan"], Some(&cache));
        assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
        let (code, said) = off(&double, &url(&double, scheme), Some(&cache), "+20m");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("whether the clocks of both machines agree"), "{scheme}: {said}");
        kinit(&double, "1h");
    }
}

#[test]
fn what_the_realm_does_not_know_is_told_apart() {
    let double = Exchange::start(&scenario(&[]));
    let stranger =
        format!("keytab: {}, username: nobody@CONTOSO.EXAMPLE", double.keytab("svc-popgate").display());
    fails(
        &double,
        &format!("{}, {stranger}", url(&double, "https")),
        &["no usable key of nobody@", "klist -k"],
    );
    let missing = "keytab: /nonexistent/keytab, username: svc-popgate@CONTOSO.EXAMPLE";
    fails(&double, &format!("{}, {missing}", url(&double, "https")), &["/nonexistent/keytab cannot be read"]);
    std::fs::write(double.dir().join("junk"), "junk").unwrap();
    let junk = "keytab: junk, username: svc-popgate@CONTOSO.EXAMPLE";
    fails(&double, &format!("{}, {junk}", url(&double, "https")), &["is no keytab", "ktutil"]);
    let elsewhere =
        format!("{}, {}, service_host: ex99.contoso.example", url(&double, "https"), keytab(&double));
    fails(&double, &elsewhere, &["HTTP/ex99.contoso.example", "setspn"]);
}
