//! What a person sees while a batch runs: a bar on a terminal, lines in the log everywhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::render::Render;
use crate::diagnostic;
use crate::engine::effect::Notice;
use crate::report::notice::{Level, sentence};

/// Turns notices into a bar and log lines.
pub(super) struct Progress {
    render: Render,
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(render: Render) -> Self {
        // indicatif draws on standard error, and only on a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { render, bar }
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
    }
}
