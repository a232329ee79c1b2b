//! Time as a measured quantity: sitting still for a while, and doing something so many times a second.
//! The only place of the bench that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Does nothing for a while.
#[expect(clippy::disallowed_methods, reason = "the time that passes is what is wanted")]
pub fn sit_still(time: Duration) {
    thread::sleep(time);
}

/// Does `step` every `interval` until `time` is over, and as often as that is if it falls behind;
/// returns how often, and the time that it took.
///
/// # Errors
/// The first that `step` returns.
pub fn repeat<E>(
    time: Duration,
    interval: Duration,
    mut step: impl FnMut(u32) -> Result<(), E>,
) -> Result<(u32, Duration), E> {
    let start = Instant::now();
    let mut done = 0;
    while interval * done < time {
        step(done)?;
        done += 1;
        sit_still((interval * done).saturating_sub(start.elapsed()));
    }
    Ok((done, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_many_as_fit() {
        let mut steps = Vec::new();
        let (time, interval) = (Duration::from_millis(30), Duration::from_millis(10));
        let (done, took) = repeat(time, interval, |step| {
            steps.push(step);
            Ok::<_, ()>(())
        })
        .expect("no errors");
        assert_eq!((steps, done), (vec![0, 1, 2], 3));
        assert!(took >= time);
    }
}
