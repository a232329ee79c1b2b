//! Which services swarmlb balances, and which stay with Docker.

use crate::source::docker::TakeOver;

impl TakeOver {
    /// Whether a service is ours; `enable` is what its label `swarmlb.enable` says, if it has one.
    ///
    /// Without IPVS in the kernel Docker balances nothing, and nothing is lost by taking all. With it,
    /// Docker does, and each service is the operator's choice.
    #[must_use]
    pub const fn takes(self, enable: Option<bool>, has_ipvs: bool) -> bool {
        match (enable, self) {
            (Some(enable), _) => enable,
            (None, Self::All) => true,
            (None, Self::Labelled) => false,
            (None, Self::Auto) => !has_ipvs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TakeOver::*;

    #[test]
    fn a_label_decides_before_the_rule_does() {
        for rule in [Auto, All, Labelled] {
            assert!(rule.takes(Some(true), true) && !rule.takes(Some(false), false));
        }
        assert_eq!([true, false].map(|ipvs| Auto.takes(None, ipvs)), [false, true]);
        assert_eq!([true, false].map(|ipvs| All.takes(None, ipvs)), [true, true]);
        assert_eq!([true, false].map(|ipvs| Labelled.takes(None, ipvs)), [false, false]);
    }
}
