//! Lists of names as people write them: `pve-01…08`, or the first few of them.

/// More entries than this are shortened.
const SHOWN: usize = 4;

/// Consecutive names from this many on become a range.
const RANGE: usize = 3;

/// A name that counts: `pve-01.lan` is the number 1 between `pve-` and `.lan`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Numbered<'a> {
    before: &'a str,
    after: &'a str,
    /// The digits' number where the number is padded with zeros, else 0.
    padded: usize,
    number: u64,
}

impl<'a> Numbered<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
        let head = &name[..end];
        let start = head.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| {
            at + head[at..].chars().next().map_or(1, char::len_utf8)
        });
        let digits = &name[start..end];
        Some(Self {
            before: &name[..start],
            after: &name[end..],
            padded: if digits.starts_with('0') {
                digits.len()
            } else {
                0
            },
            number: digits.parse().ok()?,
        })
    }

    /// True where the other is the next of the same series. `09` is followed by `10`,
    /// which shows no padding.
    fn is_followed_by(&self, next: &Self) -> bool {
        let digits = |number: u64| number.to_string().len();
        (self.before, self.after) == (next.before, next.after)
            && Some(next.number) == self.number.checked_add(1)
            && match (self.padded, next.padded) {
                (0, 0) => true,
                (0, _) => false,
                (own, 0) => digits(next.number) == own,
                (own, other) => own == other,
            }
    }
}

/// The names in one line, ranges contracted, of long lists the first few.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let entries = contracted(names);
    if entries.len() <= SHOWN + 1 {
        let texts: Vec<&str> = entries.iter().map(|(text, _)| text.as_str()).collect();
        return texts.join(", ");
    }
    let (shown, more) = entries.split_at(SHOWN);
    let texts: Vec<&str> = shown.iter().map(|(text, _)| text.as_str()).collect();
    let more: usize = more.iter().map(|(_, count)| count).sum();
    format!("{} and {more} more", texts.join(", "))
}

/// One thing by its name, several by their number and names: `8 nodes (pve-01…08)`.
pub(super) fn counted<'a>(names: impl IntoIterator<Item = &'a str>, nouns: &str) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [one] => (*one).to_owned(),
        _ => format!("{} {nouns} ({})", names.len(), list(names.iter().copied())),
    }
}

/// Each entry with the number of names that it stands for.
fn contracted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(String, usize)> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_cached_key(|name| match Numbered::of(name) {
        Some(of) => (of.before, of.after, of.number, *name),
        None => (*name, "", 0, *name),
    });
    names.dedup();
    let mut entries = Vec::new();
    let mut rest = names.as_slice();
    while let Some(first) = rest.first() {
        let run = rest
            .windows(2)
            .take_while(
                |pair| match (Numbered::of(pair[0]), Numbered::of(pair[1])) {
                    (Some(one), Some(next)) => one.is_followed_by(&next),
                    _ => false,
                },
            )
            .count()
            + 1;
        if run < RANGE {
            entries.push(((*first).to_owned(), 1));
            rest = &rest[1..];
            continue;
        }
        let last = Numbered::of(rest[run - 1]).map(|of| {
            let name = rest[run - 1];
            &name[of.before.len()..name.len() - of.after.len()]
        });
        let of = Numbered::of(first);
        let start = of.map_or(first.len(), |of| first.len() - of.after.len());
        let (start, after) = first.split_at(start);
        entries.push((format!("{start}…{}{after}", last.unwrap_or_default()), run));
        rest = &rest[run..];
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_count_become_ranges() {
        for (names, text) in [
            ("pve-01", "pve-01"),
            ("pve-02 pve-01", "pve-01, pve-02"),
            ("pve-01 pve-02 pve-03", "pve-01…03"),
            ("pve-08 pve-09 pve-10 pve-12", "pve-08…10, pve-12"),
            ("n9 n10 n11 n2", "n2, n9…11"),
            ("a1.lan a2.lan a3.lan b3.lan", "a1…3.lan, b3.lan"),
            ("n1 n02 n3", "n1, n02, n3"),
            ("a b c d e", "a, b, c, d, e"),
            ("a b c d e f x1 x2 x3", "a, b, c, d and 5 more"),
            ("ü1 ü2 ü3", "ü1…3"),
            ("99999999999999999999 a", "99999999999999999999, a"),
        ] {
            assert_eq!(list(names.split(' ')), text);
        }
        assert_eq!(counted(["a"], "nodes"), "a");
        assert_eq!(counted(["a1", "a2", "a3"], "nodes"), "3 nodes (a1…3)");
    }
}
