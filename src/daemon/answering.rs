//! Work that ends in an answer for the engine, on whichever thread it is done.
//!
//! To wake a sleeping thread takes longer than many a step of a batch. So work that blocks answers from the thread on
//! which it was done, and other work is begun on the driver's own.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::engine::event::{Answer, Input, Ticket};

/// The work under way.
#[derive(Debug)]
pub(super) struct Answering {
    inputs: UnboundedSender<Input>,
    tasks: JoinSet<()>,
}

impl Answering {
    pub(super) fn new(inputs: UnboundedSender<Input>) -> Self {
        Self { inputs, tasks: JoinSet::new() }
    }

    /// Answers with what comes of some work. What it does before it first waits is done at once.
    pub(super) fn with(&mut self, ticket: Ticket, work: impl Future<Output = Answer> + Send + 'static) {
        let due = self.due(ticket, None);
        match first_step(work) {
            Ok(answer) => due.is(answer),
            Err(work) => drop(self.tasks.spawn(async move { due.is(work.await) })),
        }
    }

    /// Answers with what comes of some work that blocks its thread; with `stopped` if it never comes to an end.
    pub(super) fn with_blocking(
        &mut self,
        ticket: Ticket,
        stopped: Answer,
        work: impl FnOnce() -> Answer + Send + 'static,
    ) {
        let due = self.due(ticket, stopped);
        self.tasks.spawn_blocking(move || due.is(work()));
    }

    /// Returns what gives an answer, wherever it is; `stopped`, if there is such a one, if it gives none.
    pub(super) fn due(&self, ticket: Ticket, stopped: impl Into<Option<Answer>>) -> Due {
        Due { inputs: self.inputs.clone(), ticket, answer: stopped.into() }
    }

    /// Forgets work that is done.
    pub(super) fn tidy(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Does what some work does before it first waits. Returns what came of it, or the work, for a task: that looks again
/// before it sleeps, so whatever it waits for may be there already.
pub(super) fn first_step<W: Future>(work: W) -> Result<W::Output, Pin<Box<W>>> {
    let mut work = Box::pin(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(work),
    }
}

/// An answer that is due, and what it is if nobody gives another.
pub(super) struct Due {
    inputs: UnboundedSender<Input>,
    ticket: Ticket,
    answer: Option<Answer>,
}

impl Due {
    pub(super) fn is(mut self, answer: Answer) {
        self.answer = Some(answer);
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            // The engine may be gone, and then nobody waits.
            drop(self.inputs.send(Input::Answer { ticket: self.ticket, answer }));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn failed(why: &str) -> Answer {
        Answer::Appended(Err(why.to_owned()))
    }

    #[tokio::test]
    async fn everything_is_answered_once_however_it_ends() {
        let (inputs, mut incoming) = unbounded_channel();
        let mut answering = Answering::new(inputs);
        answering.with(1, async { failed("at once") });
        answering.with(2, async {
            tokio::task::yield_now().await;
            failed("later")
        });
        answering.with_blocking(3, failed("stopped"), || failed("elsewhere"));
        answering.with_blocking(4, failed("stopped"), || panic!("as the test wants it"));
        drop(answering.due(5, failed("dropped")));
        let mut answers = Vec::new();
        while answers.len() < 5 {
            let Some(Input::Answer { ticket, answer: Answer::Appended(Err(why)) }) = incoming.recv().await
            else {
                panic!("an answer was expected");
            };
            answers.push((ticket, why));
        }
        answers.sort();
        let expected = ["at once", "later", "elsewhere", "stopped", "dropped"];
        assert!(answers.iter().map(|(_, why)| why).eq(expected));
        drop(answering);
        assert!(incoming.recv().await.is_none());
    }
}
