//! Words that messages share: a text as it is shown, and the word that was meant.

/// A text as messages show it: quoted, escaped, cut to a length that can be read.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// The word that was probably meant: the nearest one, if it is near at all.
pub(crate) fn one_of<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.', ' '], "");
    let wanted = plain(text);
    // The effort grows with the product of the lengths, and nothing is near.
    if wanted.len() > 64 {
        return None;
    }
    words
        .into_iter()
        .filter_map(|word| {
            let known = plain(word);
            let distance = strsim::damerau_levenshtein(&wanted, &known);
            let longer = wanted.len().max(known.len());
            let part = known.len().min(wanted.len()) >= 3
                && (known.starts_with(&wanted) || wanted.starts_with(&known));
            (distance <= longer / 3 || part).then_some((distance, word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The hint that names such a word.
pub(super) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}
