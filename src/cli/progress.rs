//! What a person sees while a batch runs: a bar on a terminal, lines in the log everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::render::Render;
use super::session::{Opened, located_refusals};
use crate::diagnostic;
use crate::engine::effect::Notice;
use crate::report::notice::{Level, sentence};

/// Turns notices into a bar and log lines.
pub(super) struct Progress {
    render: Render,
    bar: ProgressBar,
    /// What a person types to restart a service, by the service's name.
    instructions: BTreeMap<String, Vec<String>>,
    /// Services of which that was said since the last batch: it is for all their instances.
    instructed: BTreeSet<String>,
    /// The desired directory of each target.
    targets: Vec<(String, PathBuf)>,
}

impl Progress {
    pub(super) fn new(render: Render, targets: &[Opened]) -> Self {
        // indicatif draws on standard error, and only on a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let instructions =
            targets.iter().map(|target| (target.policy.service.name.clone(), target.service.instructions()));
        let directory = |target: &Opened| (target.name.clone(), target.directory.clone());
        Self {
            render,
            bar,
            instructions: instructions.collect(),
            instructed: BTreeSet::new(),
            targets: targets.iter().map(directory).collect(),
        }
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        if let Notice::BatchBegins { .. } = notice {
            self.instructed.clear();
        }
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
        if let Notice::Invalid { target, diagnostics, .. } = notice {
            let target = self.targets.iter().find(|(name, _)| name == target);
            let diagnostics = target.map_or_else(
                || diagnostics.clone(),
                |(_, directory)| located_refusals(directory, diagnostics),
            );
            self.render.message(&diagnostic::render(&diagnostics, self.render.color_messages));
        }
        let (level, text) = sentence(notice);
        match level {
            Level::Error => tracing::error!("{text}"),
            Level::Warn => tracing::warn!("{text}"),
            Level::Info => tracing::info!("{text}"),
            Level::Debug => tracing::debug!("{text}"),
        }
        if let Notice::Manual { service, .. } = notice
            && self.instructed.insert(service.clone())
        {
            let lines = self.instructions.get(service).map(Vec::as_slice).unwrap_or_default();
            for line in lines {
                tracing::warn!("To restart {service}, run: {line}");
            }
        }
    }
}
