//! Waiting for conditions with a deadline: the only place of the test-bed that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// First pause between two looks at a condition; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `condition` holds.
///
/// # Errors
/// It does not hold within `limit`; the message names `what` was awaited.
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    eventually_some(limit, what, || condition().then_some(()))
}

/// Looks again and again until `probe` finds something, and returns that.
///
/// # Errors
/// It finds nothing within `limit`; the message names `what` was awaited.
pub fn eventually_some<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("still waiting after {limit:?}: {what}");
        }
        rest(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
fn rest(pause: Duration) {
    thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_the_probe_finds() {
        let mut looks = 0;
        let found = eventually_some(Duration::from_secs(5), "three looks", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn gives_up_and_names_what_it_waited_for() {
        let error = eventually(Duration::from_millis(5), "a pig to fly", || false).unwrap_err();
        assert!(error.to_string().contains("a pig to fly"), "{error}");
    }
}
