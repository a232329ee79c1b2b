//! "Did you mean": the nearest of the names that would have been right.

/// Similarity (Jaro-Winkler, 0 to 1) from which a name is worth suggesting.
const NEAR: f64 = 0.75;

/// A fix sentence for an unknown `name`: the nearest of `known`, or all of them where none is near.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let scored = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, nearest)) if score >= NEAR => format!("did you mean \"{nearest}\"?"),
        Some(_) => format!("use one of: {}", known.join(", ")),
        None => "there is none defined yet; define it first".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_listed() {
        let known = ["published", "target", "protocol", "mode"];
        assert_eq!(did_you_mean("publised", known), "did you mean \"published\"?");
        assert_eq!(did_you_mean("xyz", known), "use one of: published, target, protocol, mode");
        assert_eq!(did_you_mean("n1", []), "there is none defined yet; define it first");
    }
}
