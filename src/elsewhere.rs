//! Threads that begin on another processor than that of whoever begins them.
//!
//! Linux leaves a new thread where its maker runs unless it takes another processor for idle. In a virtual machine it
//! seldom does, probably because a processor that is halted looks like one that the host has taken away (its scheduler asks
//! `vcpu_is_preempted`). Then two threads take turns on one processor while the other one sleeps: on two processors, two
//! threads with three milliseconds of work each were measured to need 5.7 together, and 3.2 in this way. A new thread waits
//! at a gate, is sent to the other processors while it waits, and may go wherever it likes once it runs there.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Begins some work on a thread of its own. Where the system has no thread to give, the work is dropped.
pub fn spawn(work: impl FnOnce() + Send + 'static) {
    let gate = Arc::<Gate>::default();
    if let Ok(new) = thread::Builder::new().spawn(behind(Arc::clone(&gate), work)) {
        gate.open(new.thread());
    }
}

/// Does two pieces of work at once, the second one elsewhere.
pub fn both(one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
    let gate = Arc::<Gate>::default();
    thread::scope(|scope| {
        let new = scope.spawn(behind(Arc::clone(&gate), other));
        gate.open(new.thread());
        one();
    });
}

/// Puts a gate before some work.
fn behind<R>(gate: Arc<Gate>, work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    move || {
        gate.pass();
        work()
    }
}

/// Where a new thread waits for its maker.
#[derive(Debug, Default)]
struct Gate {
    /// The number of the thread that waits; 0 until it does.
    waits: AtomicI32,
    is_open: AtomicBool,
    /// The processors that the thread may use afterwards.
    allowed: OnceLock<CpuSet>,
}

impl Gate {
    /// How often the new thread is given a chance to arrive. Once is enough where it begins on the maker's processor.
    const CHANCES: u32 = 50;

    /// Waits until the gate is open. The first thing that the new thread does.
    fn pass(&self) {
        self.waits.store(gettid().as_raw_nonzero().get(), Ordering::Release);
        while !self.is_open.load(Ordering::Acquire) {
            thread::park();
        }
        if let Some(allowed) = self.allowed.get() {
            // A thread that stays on fewer processors is only slower.
            sched_setaffinity(None, allowed).ok();
        }
    }

    /// Sends the new thread away, and opens the gate.
    fn open(&self, new: &Thread) {
        self.send_away();
        self.is_open.store(true, Ordering::Release);
        new.unpark();
    }

    /// Sends the new thread away from the processor of the caller, if there is another one. What cannot be done is left to
    /// the kernel.
    fn send_away(&self) {
        if let Ok(allowed) = sched_getaffinity(None)
            && allowed.count() > 1
            && let Some(waits) = self.arrived()
        {
            let mut others = allowed;
            others.unset(sched_getcpu());
            if sched_setaffinity(Some(waits), &others).is_ok() {
                self.allowed.get_or_init(|| allowed);
            }
        }
    }

    /// Returns the thread at the gate. One that does not come runs on another processor already.
    fn arrived(&self) -> Option<Pid> {
        (0..Self::CHANCES).find_map(|_| {
            let waits = Pid::from_raw(self.waits.load(Ordering::Acquire));
            if waits.is_none() {
                thread::yield_now();
            }
            waits
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_new_thread_is_sent_to_another_processor_and_may_then_use_all() {
        let allowed = sched_getaffinity(None).unwrap();
        let gate = Arc::<Gate>::default();
        let new = thread::spawn(behind(Arc::clone(&gate), || sched_getaffinity(None).unwrap()));
        while gate.waits.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        gate.send_away();
        let others = sched_getaffinity(gate.arrived()).unwrap();
        let one = u32::from(allowed.count() > 1);
        assert_eq!(others.count(), allowed.count() - one, "all but one");
        gate.open(new.thread());
        assert_eq!(new.join().unwrap(), allowed);
    }

    #[test]
    fn with_one_processor_both_pieces_of_work_are_done_all_the_same() {
        let alone = || {
            let mut one = CpuSet::new();
            one.set(sched_getcpu());
            sched_setaffinity(None, &one).unwrap();
            let (mut done, mut there) = (false, CpuSet::new());
            both(&mut || done = true, &mut || there = sched_getaffinity(None).unwrap());
            done && there == one
        };
        assert!(thread::spawn(alone).join().unwrap());
    }

    #[test]
    fn work_that_was_begun_goes_on_by_itself() {
        let (done, heard) = mpsc::channel();
        spawn(move || done.send("done").unwrap());
        assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok("done"));
    }
}
