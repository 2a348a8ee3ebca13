//! What each request on the control socket means. Knows the published snapshot and the channel to the daemon.

use std::error::Error;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::LengthLimitError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::Limits;
use super::{Control, DaemonStatus, Request, Snapshot};
use crate::engine::event::Command;
use crate::plan::{Plan, PlanId, Summary};

/// The most bytes of a command.
const LONGEST_BODY: usize = 64 * 1024;

/// The routes for those who may talk to the daemon.
pub(super) fn router(control: Control, limits: Limits) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/plan", get(plan))
        .route("/v1/command", post(command))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Desk { control, limits })
}

/// The routes for everybody else.
pub(super) fn refusing() -> Router {
    let why = "only root and the user the daemon runs as may talk to it; run this command as that user";
    Router::new().fallback(async || Refusal(StatusCode::FORBIDDEN, why.to_owned()))
}

#[derive(Clone, Debug)]
struct Desk {
    control: Control,
    limits: Limits,
}

impl Desk {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.control.snapshot.borrow())
    }
}

/// Any answer but a good one.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

async fn status(State(desk): State<Desk>) -> Json<DaemonStatus> {
    let snapshot = desk.snapshot();
    Json(DaemonStatus {
        version: snapshot.version.clone(),
        pid: snapshot.pid,
        started: snapshot.started,
        status: snapshot.status.clone(),
    })
}

#[derive(Debug, Deserialize)]
struct Wanted {
    target: Option<String>,
}

/// What a plan says of itself in short.
#[derive(Debug, Serialize)]
struct Brief {
    id: PlanId,
    target: String,
    digest: String,
    generated_at: jiff::Timestamp,
    summary: Summary,
}

impl Brief {
    fn of(plan: &Plan) -> Self {
        Self {
            id: plan.id.clone(),
            target: plan.target.clone(),
            digest: plan.digest.to_string(),
            generated_at: plan.generated_at,
            summary: plan.summary,
        }
    }
}

async fn plan(
    State(desk): State<Desk>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Brief>, Refusal> {
    let Query(Wanted { target }) =
        wanted.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.body_text()))?;
    let snapshot = desk.snapshot();
    let Some(target) = target else {
        return match snapshot.plans.as_slice() {
            [plan] => Ok(Json(Brief::of(plan))),
            [] => Err(Refusal(StatusCode::NOT_FOUND, "nothing is planned yet".to_owned())),
            plans => {
                let names: Vec<_> = plans.iter().map(|plan| plan.target.as_str()).collect();
                let why = format!("say which target with `?target=`: {}", names.join(", "));
                Err(Refusal(StatusCode::BAD_REQUEST, why))
            }
        };
    };
    if let Some(plan) = snapshot.plans.iter().find(|plan| plan.target == target) {
        return Ok(Json(Brief::of(plan)));
    }
    let names: Vec<_> = snapshot.status.targets.iter().map(|target| target.name.as_str()).collect();
    let why = if names.contains(&target.as_str()) {
        format!("nothing is planned yet for the target `{target}`")
    } else {
        format!("there is no target `{target}`; there are: {}", names.join(", "))
    };
    Err(Refusal(StatusCode::NOT_FOUND, why))
}

async fn command(State(desk): State<Desk>, body: Body) -> Result<Json<serde_json::Value>, Refusal> {
    let command = read_command(body, desk.limits).await?;
    let unavailable = |why: &str| Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
    let (reply, answer) = oneshot::channel();
    match desk.control.requests.send_timeout(Request { command, reply }, desk.limits.taken).await {
        Ok(()) => {}
        Err(SendTimeoutError::Timeout(_)) => {
            return Err(unavailable("the daemon is busy and did not take the command; try again"));
        }
        Err(SendTimeoutError::Closed(_)) => {
            return Err(unavailable(
                "the daemon is leaving and did not take the command; try again when it runs",
            ));
        }
    }
    match timeout(desk.limits.reply, answer).await {
        Ok(Ok(Ok(done))) => Ok(Json(json!({ "ok": done }))),
        Ok(Ok(Err(why))) => Err(Refusal(StatusCode::CONFLICT, why)),
        Ok(Err(_)) => Err(unavailable(
            "the daemon left before it answered; see `popgate status` for whether it carried the command out",
        )),
        Err(_) => Err(Refusal(
            StatusCode::GATEWAY_TIMEOUT,
            "the daemon took the command and carries it out after the step it is at; see `popgate status`"
                .to_owned(),
        )),
    }
}

async fn read_command(body: Body, limits: Limits) -> Result<Command, Refusal> {
    let body = match timeout(limits.body, to_bytes(body, LONGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.source().is_some_and(<dyn Error>::is::<LengthLimitError>) => {
            let why = format!("a command has at most {LONGEST_BODY} bytes; give a shorter reason");
            return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Ok(Err(error)) => {
            return Err(Refusal(StatusCode::BAD_REQUEST, format!("the command broke off: {error}")));
        }
        Err(_) => {
            let why = format!("the command was not there after {} s", limits.body.as_secs());
            return Err(Refusal(StatusCode::REQUEST_TIMEOUT, why));
        }
    };
    serde_json::from_slice(&body)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("this is not a command: {error}")))
}

async fn unknown(uri: Uri) -> Refusal {
    let why = format!(
        "there is no `{}` here; there are `/v1/status`, `/v1/plan` and `/v1/command`",
        shortened(uri.path())
    );
    Refusal(StatusCode::NOT_FOUND, why)
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let why = format!(
        "`{}` does not take {}; commands are sent with POST, everything else is read with GET",
        uri.path(),
        shortened(method.as_str())
    );
    Refusal(StatusCode::METHOD_NOT_ALLOWED, why)
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
