//! How many rows a service has: a ladder of powers of two with about a hundred rows per backend,
//! below which the shares get uneven and a change moves many rows without need (Maglev, NSDI '16,
//! section 5.3). `compile` asks with the rows it finds and the backends it wants.

/// Rows and the backends they are meant for, smallest first; the last is for any number above.
const LADDER: [(u32, usize); 5] = [(256, 2), (1024, 10), (4096, 40), (16384, 160), (65536, 655)];

/// The most rows a service can have.
pub const ROWS_MAX: u32 = 262_144;

/// Rows of a new service with so many backends: a power of two from 256 to [`ROWS_MAX`].
#[must_use]
pub fn rows_for(backends: usize) -> u32 {
    LADDER.iter().find(|&&(_, fits)| backends <= fits).map_or(ROWS_MAX, |&(rows, _)| rows)
}

/// Rows of a service that has `current` of them (0: it is new) and now so many backends.
///
/// Never fewer: another size moves nearly every row, which costs old flows a hop. More only when
/// the backends exceed what the current size is meant for by more than a quarter, so that a
/// rolling update that starts tasks before it stops others does not resize; then as many as a new
/// service would get.
#[must_use]
pub fn grow(current: u32, backends: usize) -> u32 {
    let relaxed = backends - backends / 5;
    if current == 0 || rows_for(relaxed) > current {
        rows_for(backends).max(current)
    } else {
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ladder_gives_about_a_hundred_rows_per_backend() {
        let steps = [0, 1, 2, 3, 10, 11, 40, 41, 160, 161, 655, 656, 5000].map(rows_for);
        let expected =
            [256, 256, 256, 1024, 1024, 4096, 4096, 16384, 16384, 65536, 65536, 262_144, 262_144];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_quarter_more_backends_does_not_resize() {
        assert_eq!(grow(1024, 12), 1024);
        assert_eq!(grow(1024, 14), 4096);
        assert_eq!(grow(0, 12), 4096);
        assert_eq!(grow(4096, 1), 4096);
    }

    proptest! {
        #[test]
        fn never_shrinks_and_settles_at_once(start in 0_usize..6000, then in 0_usize..6000) {
            let rows = rows_for(start);
            let grown = grow(rows, then);
            prop_assert!(grown >= rows && grown.is_power_of_two());
            prop_assert_eq!(grow(grown, then), grown);
            prop_assert!(grown == ROWS_MAX || grown as usize >= 75 * then);
        }
    }
}
