//! How often a question is put to the engine: every so often, less often where its answer is dear,
//! sooner after a hint. What a question costs is the shortest of its last durations: longer ones
//! were spent waiting on a busy machine.
//!
//! A duration is an upper limit of what engine and agent together spend, so a twentieth of it in
//! the long run is at most 5 % of a CPU for both.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How much longer than its cost the time from one question to the next is, in the long run.
const IDLE: u32 = 20;
/// The same after a hint.
const HURRIED: u32 = 10;
/// How many durations are looked at.
const REMEMBERED: usize = 6;
/// The longest that dear answers put a question off.
const LONGEST: Duration = Duration::from_secs(5);

/// When a question is to be put next.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    every: Duration,
    durations: VecDeque<Duration>,
    last_end: Option<Instant>,
    is_hurried: bool,
}

impl Pace {
    /// A question to be put at once and then `every` so often.
    pub(super) fn new(every: Duration) -> Self {
        Self { every, durations: VecDeque::new(), last_end: None, is_hurried: false }
    }

    /// There is reason to believe that the answer has changed.
    pub(super) fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// The question was put and answered, or failed.
    pub(super) fn done(&mut self, started: Instant, ended: Instant) {
        self.durations.truncate(REMEMBERED - 1);
        self.durations.push_front(ended.saturating_duration_since(started));
        self.last_end = Some(ended);
        self.is_hurried = false;
    }

    /// When the question is due; `None`: at once.
    pub(super) fn due(&self) -> Option<Instant> {
        let cost = self.durations.iter().min().copied().unwrap_or_default();
        let wait = if self.is_hurried {
            (cost * HURRIED).min(self.every.max(cost * IDLE))
        } else {
            self.every.max(cost * IDLE)
        };
        self.last_end.map(|end| end + wait.min(LONGEST.max(self.every)))
    }

    /// Whether the question is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due().is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(250);

    fn after(durations_ms: &[u64]) -> (Pace, Instant) {
        let (mut pace, end) = (Pace::new(EVERY), Instant::now());
        for duration in durations_ms {
            pace.done(end, end + Duration::from_millis(*duration));
        }
        let last = durations_ms.last().map_or(0, |last| *last);
        (pace, end + Duration::from_millis(last))
    }

    fn wait_ms(pace: &Pace, end: Instant) -> u128 {
        pace.due().map_or(0, |due| (due - end).as_millis())
    }

    #[test]
    fn the_first_question_is_put_at_once() {
        let (pace, now) = after(&[]);
        assert!(pace.is_due(now));
    }

    #[test]
    fn cheap_answers_are_asked_for_regularly_and_dear_ones_less_often() {
        let (pace, end) = after(&[5]);
        assert_eq!(wait_ms(&pace, end), 250);
        assert!(!pace.is_due(end) && pace.is_due(end + EVERY));
        let (pace, end) = after(&[50]);
        assert_eq!(wait_ms(&pace, end), 1000);
        let (pace, end) = after(&[10_000]);
        assert_eq!(wait_ms(&pace, end), 5000);
    }

    #[test]
    fn one_slow_answer_is_no_dear_one() {
        let (pace, end) = after(&[5, 6, 300]);
        assert_eq!(wait_ms(&pace, end), 250);
        let (pace, end) = after(&[5, 90, 90, 90, 90, 90, 90]);
        assert_eq!(wait_ms(&pace, end), 1800);
    }

    #[test]
    fn a_hint_shortens_the_wait_once_and_not_without_limit() {
        let (mut pace, end) = after(&[5]);
        pace.hurry();
        assert_eq!(wait_ms(&pace, end), 50);
        pace.done(end, end + Duration::from_millis(5));
        assert_eq!(wait_ms(&pace, end + Duration::from_millis(5)), 250);
    }
}
