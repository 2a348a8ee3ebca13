//! Two pieces of work at once: the plan itself may not start threads.

use crate::plan::Work;

/// Does two pieces of work, the second on a thread of its own.
pub fn both(one: Work<'_>, other: Work<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(other);
        one();
    });
}
