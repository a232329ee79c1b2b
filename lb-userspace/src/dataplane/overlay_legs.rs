//! `OVERLAY_LEGS`: the node ends of tasks' overlay legs. Like gateway legs they follow from the host:
//! set before the endpoints name them, removed after.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::endpoint::{OverlayLeg, overlay_leg_index};

use super::{
    Dataplane,
    maps::{Maps, MapsError},
};

impl Dataplane {
    /// Writes these legs; whatever stood in their elements goes first. Returns how many changed.
    ///
    /// # Errors
    /// [`MapsError::LegsCollide`] before anything is written, where two of them belong in one element.
    pub fn set_overlay_legs(&mut self, wanted: &[OverlayLeg]) -> Result<usize, MapsError> {
        apart(wanted)?;
        let mut changed = 0;
        for &leg in wanted {
            changed += usize::from(self.maps.set_overlay_leg(leg)?);
        }
        Ok(changed)
    }

    /// Forgets all legs but those of the interfaces in `kept`. Returns how many went.
    ///
    /// # Errors
    /// [`MapsError::Range`].
    pub fn retain_overlay_legs(&mut self, kept: &BTreeSet<u32>) -> Result<usize, MapsError> {
        let map = &self.maps.overlay_legs;
        let belongs = |index: u32, leg: &OverlayLeg| {
            kept.contains(&leg.ifindex) && overlay_leg_index(leg.ifindex) == index
        };
        let mut removed = 0;
        for (index, leg) in map.iter() {
            if leg != OverlayLeg::default() && !belongs(index, &leg) {
                clear(&self.maps, index)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// All legs that `OVERLAY_LEGS` holds.
    #[must_use]
    pub fn overlay_legs(&self) -> Vec<OverlayLeg> {
        let legs = self.maps.overlay_legs.iter().map(|(_, leg)| leg);
        legs.filter(|leg| leg.ifindex != 0).collect()
    }
}

impl Maps {
    fn set_overlay_leg(&self, leg: OverlayLeg) -> Result<bool, MapsError> {
        let index = overlay_leg_index(leg.ifindex);
        let held = self.overlay_legs.get(index).unwrap_or_default();
        if held.ifindex != leg.ifindex {
            clear(self, index)?;
        }
        self.overlay_legs.set(index, leg).map_err(MapsError::range("OVERLAY_LEGS"))
    }
}

fn clear(maps: &Maps, index: u32) -> Result<bool, MapsError> {
    let cleared = maps.overlay_legs.unset(index, OverlayLeg::default());
    cleared.map_err(MapsError::range("OVERLAY_LEGS"))
}

/// Refuses legs that share an element.
fn apart(legs: &[OverlayLeg]) -> Result<(), MapsError> {
    let mut taken = BTreeMap::new();
    for ifindex in legs.iter().map(|leg| leg.ifindex) {
        match taken.insert(overlay_leg_index(ifindex), ifindex) {
            Some(other) if other != ifindex => return Err(MapsError::LegsCollide(other, ifindex)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_legs_in_one_place_are_refused() {
        let leg = |ifindex| OverlayLeg { ifindex, ..Default::default() };
        assert!(apart(&[leg(7), leg(8), leg(65_536)]).is_ok());
        let error = apart(&[leg(7), leg(65_543)]).expect_err("7 twice");
        assert!(matches!(error, MapsError::LegsCollide(7, 65_543)), "{error}");
    }
}
