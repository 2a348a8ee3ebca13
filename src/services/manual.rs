//! A service that popgate may look at and never touch: a person restarts it.

use async_trait::async_trait;

use super::{Instance, Observed, Service, ServiceError};
use crate::model::{AccountId, Fault, Finding};
use crate::plan::policy::{Action, Profile};

/// Waits for a person. With a service inside, it observes that one, so that a restart by hand is noticed.
pub struct Manual {
    of: Option<Box<dyn Service>>,
    instructions: Option<Vec<String>>,
}

impl Manual {
    /// Takes the service that a person restarts, if popgate can observe it.
    pub fn new(of: Option<Box<dyn Service>>) -> Self {
        Self { of, instructions: None }
    }

    /// Says what a person has to do in the operator's own words, instead of the commands of the service inside.
    #[must_use]
    pub fn with_instructions(self, instructions: Option<Vec<String>>) -> Self {
        Self { instructions, ..self }
    }
}

#[async_trait]
impl Service for Manual {
    fn profile(&self) -> Profile {
        match &self.of {
            Some(of) => {
                let profile = of.profile();
                Profile { key: format!("manual:{}", profile.key), action: Action::Manual, ..profile }
            }
            None => Profile {
                key: "manual".into(),
                name: "the mail server".into(),
                action: Action::Manual,
                instances: vec![Instance::local("the mail server")],
            },
        }
    }

    async fn observe(&self) -> Result<Vec<Observed>, ServiceError> {
        match &self.of {
            Some(of) => of.observe().await,
            None => Ok(self.profile().instances.into_iter().map(Observed::unknown).collect()),
        }
    }

    async fn observe_one(&self, instance: &Instance) -> Result<Option<Observed>, ServiceError> {
        match &self.of {
            Some(of) => of.observe_one(instance).await,
            None => Ok(Some(Observed::unknown(instance.clone()))),
        }
    }

    /// Always refuses: whoever asks has not looked at the [`Action`].
    async fn restart(&self, instance: &Instance, _disabled: &[AccountId]) -> Result<(), ServiceError> {
        let commands = self.instructions();
        Err(ServiceError {
            what: format!("{instance} is restarted by a person, never by popgate"),
            fault: Fault::Denied,
            help: Some(if commands.is_empty() {
                "restart it, then run `popgate restart --done`".into()
            } else {
                format!("run `{}`", commands.join("`, then `"))
            }),
        })
    }

    async fn ready(&self, instance: &Instance) -> Result<(), ServiceError> {
        match &self.of {
            Some(of) => of.ready(instance).await,
            None => Ok(()),
        }
    }

    async fn preflight(&self) -> Vec<Finding> {
        match &self.of {
            Some(of) => of.preflight().await,
            None => vec![Finding::ok(
                "a person restarts the mail server; popgate cannot see it and waits for `popgate restart --done`",
            )],
        }
    }

    fn instructions(&self) -> Vec<String> {
        let of = || self.of.as_ref().map(|of| of.instructions()).unwrap_or_default();
        self.instructions.clone().unwrap_or_else(of)
    }
}
