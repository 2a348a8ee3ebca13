//! The double of Exchange, proven by pypsrp, a client nobody here wrote; then both clients side by side.

mod golden;
mod proof;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use popgate::psrp::{self, Answer, Auth, Client, Ending, Endpoint, ErrorRecord, Pipeline};
use popgate::secret::Secret;
use serde_json::{Value, json};

use crate::world::exchange::{Exchange, PASSWORD, USER, double, python};

/// Runs pipelines with pypsrp and returns what it saw; fails the test with what it said when it could not.
pub(crate) fn witness(endpoint: &Value, pipelines: &Value, krb5: Option<&Path>) -> Value {
    match try_witness(endpoint, pipelines, krb5) {
        Ok(seen) => seen,
        Err(said) => panic!("pypsrp: {said}"),
    }
}

/// As [`witness`], but returns what pypsrp said when it could not.
fn try_witness(endpoint: &Value, pipelines: &Value, krb5: Option<&Path>) -> Result<Value, String> {
    let mut command = Command::new(python());
    command.arg(double().join("client.py")).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("KRB5CCNAME");
    if let Some(config) = krb5 {
        command.env("KRB5_CONFIG", config);
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let asked = json!({ "endpoint": endpoint, "pipelines": pipelines });
    writeln!(child.stdin.take().unwrap(), "{asked}").unwrap();
    let done = child.wait_with_output().unwrap();
    serde_json::from_slice(&done.stdout).map_err(|_| String::from_utf8_lossy(&done.stderr).into_owned())
}

/// The endpoint of Exchange with Basic over plain HTTP, as pypsrp wants to be told.
fn basic(exchange: &Exchange) -> Value {
    json!({ "host": "127.0.0.1", "port": exchange.port("http"), "path": "PowerShell/", "auth": "basic",
            "configuration": "Microsoft.Exchange", "encryption": "never", "username": USER, "password": PASSWORD })
}

/// Runs the same pipelines with popgate's own client.
fn ours(endpoint: &Value, pipelines: &Value) -> Value {
    let text = |name: &str| endpoint[name].as_str().unwrap().to_owned();
    let url = format!("http://127.0.0.1:{}/{}", endpoint["port"], text("path"));
    let auth = Auth::Basic {
        username: text("username"),
        password: Secret::Command(vec!["printf".into(), "%s".into(), text("password")]),
    };
    let client = Client::new(Endpoint::new(url, text("configuration"), auth)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut session = client.open().await.unwrap();
        let mut seen = Vec::new();
        for asked in pipelines.as_array().unwrap() {
            let (output, answer) = session.collect(&pipeline(asked)).await;
            seen.push(told(&output, &answer));
        }
        session.close().await.unwrap();
        Value::Array(seen)
    })
}

/// Makes a pipeline of its description.
fn pipeline(asked: &Value) -> Pipeline {
    let commands = asked["commands"].as_array().unwrap().iter().map(|command| {
        let mut made = psrp::Command::new(command["name"].as_str().unwrap());
        for (name, value) in command["parameters"].as_object().into_iter().flatten() {
            made = made.with(name, value_of(value));
        }
        made
    });
    let input = asked["input"].as_array().into_iter().flatten().map(value_of);
    Pipeline::of(commands).fed(input)
}

fn value_of(json: &Value) -> psrp::Value {
    match json {
        Value::Bool(truth) => psrp::Value::Bool(*truth),
        Value::Number(number) => psrp::Value::Int(number.as_i64().unwrap()),
        Value::String(text) => psrp::Value::Text(text.clone()),
        Value::Array(items) => psrp::Value::List(items.iter().map(value_of).collect()),
        other => panic!("no test sends {other}"),
    }
}

/// Says what our client saw in the words of `client.py`.
fn told(output: &[psrp::Value], answer: &Answer) -> Value {
    let ending = match &answer.ending {
        Ending::Completed => json!("completed"),
        Ending::Failed(why) => json!({ "failed": error(why) }),
        other => panic!("no pipeline here ends with {other:?}"),
    };
    json!({
        "output": output.iter().map(plain).collect::<Vec<_>>(),
        "errors": answer.errors.iter().map(error).collect::<Vec<_>>(),
        "warnings": answer.warnings.iter().map(|warning| &warning.message).collect::<Vec<_>>(),
        "ending": ending,
    })
}

fn error(record: &ErrorRecord) -> Value {
    // The server's name, the request's number and the moment differ from run to run.
    let id = match record.id.split_once("] [") {
        Some((_, rest)) => {
            let (category, rest) = rest.split_once("] ").unwrap();
            format!("[{category}] {}", rest.split_once(',').unwrap().1)
        }
        None => record.id.clone(),
    };
    json!({ "message": record.message, "id": id, "category": record.category, "reason": record.reason,
            "activity": record.activity, "target": record.target })
}

/// A value without what only one of the clients keeps: types, and how things print.
fn plain(value: &psrp::Value) -> Value {
    match value {
        psrp::Value::Nil => Value::Null,
        psrp::Value::Text(text) | psrp::Value::Moment(text) => json!(text),
        psrp::Value::Bool(truth) => json!(truth),
        psrp::Value::Int(number) => json!(number),
        psrp::Value::Big(number) => json!(number),
        psrp::Value::Float(number) => json!(number),
        psrp::Value::Guid(guid) => json!(guid.to_string()),
        psrp::Value::List(items) => items.iter().map(plain).collect(),
        psrp::Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| (key.text().unwrap(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        psrp::Value::Object(object) if object.members.is_empty() && object.text.is_some() => {
            json!(object.text)
        }
        psrp::Value::Object(object) if object.inner != psrp::Value::Nil => plain(&object.inner),
        psrp::Value::Object(object) => object
            .members
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
