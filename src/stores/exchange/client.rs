//! Sessions on an organisation: opened with its view set, and pipelines whose failures are errors of the store.

use std::collections::BTreeMap;

use super::controllers::{self, Controller};
use super::verdict::{self, Verdict};
use super::wire::Asking;
use super::{ExchangeStore, Scope};
use crate::model::Fault;
use crate::psrp::{Answer, Command, Ending, ErrorRecord, Pipeline, Session, Value};
use crate::stores::StoreError;

impl ExchangeStore {
    /// Opens a session that sees as much as the scope asks for.
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        let client = self.client().map_err(|error| verdict::of_session(&error))?;
        let mut session = client.open().await.map_err(|error| verdict::of_session(&error))?;
        if self.organisation.scope == Scope::Forest {
            let view = Command::new("Set-ADServerSettings").with("ViewEntireForest", true);
            self.collect(&mut session, "widening the view to the forest", &Pipeline::of([view])).await?;
        }
        Ok(session)
    }

    /// Returns how mailboxes are asked for on this controller.
    pub(super) fn asking<'a>(&self, controller: Option<&'a str>) -> Asking<'a> {
        Asking { controller, select: !self.known().bare }
    }

    /// Returns the controller for each domain; chooses them where nobody did.
    pub(super) async fn controllers(
        &self,
        session: &mut Session,
        remembered: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let (chosen, avoid) = {
            let known = self.known();
            (known.controllers.clone(), known.avoid.clone())
        };
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let settings = Pipeline::of([Command::new("Get-ADServerSettings")]);
        let settings = self.collect(session, "asking for the controllers", &settings).await;
        let preferred = settings.map(|found| found.first().map(controllers::preferred).unwrap_or_default());
        let known = self.every_controller(session).await;
        let forest = self.organisation.scope == Scope::Forest;
        let (preferred, known) = match (preferred, known) {
            // Without a list nobody knows which domains there are.
            (_, Err(error)) if forest => return Err(error),
            (Err(error), Err(_)) if error.fault != Fault::Denied => return Err(error),
            (preferred, known) => (preferred.unwrap_or_default(), known.unwrap_or_default()),
        };
        let chosen = controllers::choose(&known, &preferred, forest, remembered, &avoid);
        if chosen.is_empty() {
            tracing::warn!(
                store = self.organisation.endpoint.url,
                "No controller is known, so each cmdlet takes its own."
            );
        }
        self.known().controllers.clone_from(&chosen);
        Ok(chosen)
    }

    /// Lists the controllers of every domain.
    pub(super) async fn every_controller(
        &self,
        session: &mut Session,
    ) -> Result<Vec<Controller>, StoreError> {
        let all = Pipeline::of([Command::new("Get-DomainController")]);
        let found = self.collect(session, "listing the domain controllers", &all).await?;
        Ok(found.iter().filter_map(Controller::read).collect())
    }

    /// Runs a pipeline in which nothing may go wrong, and collects its output.
    pub(super) async fn collect(
        &self,
        session: &mut Session,
        doing: &str,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        let (output, answer) = session.collect(pipeline).await;
        whole(doing, &answer)?;
        Ok(output)
    }

    /// Runs a pipeline of `Asking`; once more without `Select-Object` where that is not to be had.
    pub(super) async fn ask(
        &self,
        session: &mut Session,
        controller: Option<&str>,
        pipeline: impl Fn(Asking<'_>) -> Pipeline + Send + Sync,
        each: &mut (dyn FnMut(Value) + Send),
    ) -> Answer {
        let asking = self.asking(controller);
        let within = self.organisation.within;
        let answer = session.run(&pipeline(asking).within(within), each).await;
        match &answer.ending {
            Ending::Failed(why) if asking.select && is_missing_select(why) => {
                self.known().bare = true;
                session.run(&pipeline(self.asking(controller)).within(within), each).await
            }
            _ => answer,
        }
    }
}

fn is_missing_select(why: &ErrorRecord) -> bool {
    why.is("CommandNotFoundException")
        && (why.target.eq_ignore_ascii_case("Select-Object") || why.message.contains("Select-Object"))
}

/// Returns the error of a pipeline in which nothing may go wrong.
pub(super) fn whole(doing: &str, answer: &Answer) -> Result<(), StoreError> {
    ended(doing, answer)?;
    answer.errors.first().map_or(Ok(()), |error| Err(verdict::of_command(doing, error)))
}

/// Returns the error of a pipeline that did not come to its end.
pub(super) fn ended(doing: &str, answer: &Answer) -> Result<(), StoreError> {
    match &answer.ending {
        Ending::Completed => Ok(()),
        Ending::Failed(why) => Err(verdict::of_command(doing, why)),
        Ending::Stopped => Err(StoreError {
            what: format!("{doing}: Exchange stopped it, or it took too long"),
            fault: Fault::TRANSIENT,
            help: Some("try again, as `popgate run` does by itself".to_owned()),
        }),
        Ending::Refused(error) | Ending::Lost(error) => {
            let error = verdict::of_session(error);
            Err(StoreError { what: format!("{doing}: {}", error.what), ..error })
        }
    }
}

/// Tells whether a pipeline failed because its controller does not answer.
pub(super) fn controller_failed(answer: &Answer) -> bool {
    let ending = if let Ending::Failed(why) = &answer.ending { Some(why) } else { None };
    ending.into_iter().chain(&answer.errors).any(|error| Verdict::of(error) == Verdict::Controller)
}
