//! How long to wait before the next attempt: longer each time, and never the same for all nodes, so
//! that a manager that comes back is not run over.
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(125);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses between attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next pause: between half of it and all, by `share` in 0..1.
    pub(super) fn pause(&mut self, share: f64) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        longest.mul_f64(0.5 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_are_spread() {
        let (mut late, mut early) = (Backoff::default(), Backoff::default());
        let pauses: Vec<_> = (0..6).map(|_| late.pause(1.0).as_millis()).collect();
        assert_eq!(pauses, [125, 250, 500, 1000, 2000, 2000]);
        assert_eq!(early.pause(0.0), FIRST / 2);
    }
}
