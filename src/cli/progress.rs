//! What a person sees while a batch runs: a bar on a terminal, lines in the log everywhere.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::render::Render;
use super::session::Opened;
use crate::diagnostic;
use crate::engine::effect::Notice;
use crate::report::notice::{Level, sentence};

/// Turns notices into a bar and log lines.
pub(super) struct Progress {
    render: Render,
    bar: ProgressBar,
    /// What a person types to restart a service, by the service's name.
    instructions: BTreeMap<String, Vec<String>>,
}

impl Progress {
    pub(super) fn new(render: Render, targets: &[Opened]) -> Self {
        // indicatif draws on standard error, and only on a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let instructions =
            targets.iter().map(|target| (target.policy.service.name.clone(), target.service.instructions()));
        Self { render, bar, instructions: instructions.collect() }
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::BatchBegins { changes, .. } if self.render.has_person() => {
                self.bar = ProgressBar::with_draw_target(Some(*changes as u64), ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} changes, {eta} left") {
                    self.bar.set_style(style);
                }
            }
            Notice::Progress { done, .. } => self.bar.set_position(*done as u64),
            Notice::BatchEnded { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
        if let Notice::Invalid { diagnostics, .. } = notice {
            self.render.message(&diagnostic::render(diagnostics, self.render.color_messages));
        }
        let (level, text) = sentence(notice);
        match level {
            Level::Error => tracing::error!("{text}"),
            Level::Warn => tracing::warn!("{text}"),
            Level::Info => tracing::info!("{text}"),
            Level::Debug => tracing::debug!("{text}"),
        }
        if let Notice::Manual { service, .. } = notice {
            let lines = self.instructions.get(service).map(Vec::as_slice).unwrap_or_default();
            for line in lines {
                tracing::warn!("To restart {service}, run: {line}");
            }
        }
    }
}
