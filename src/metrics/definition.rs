//! What a metric is called, and what it means.

/// How the numbers of a metric are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// A number that only rises.
    Counter,
    /// A number as it is now.
    Gauge,
    /// How many things were how large.
    Histogram,
}

/// A metric.
#[derive(Debug)]
pub(crate) struct MetricDef {
    /// Its whole name.
    pub name: &'static str,
    pub kind: MetricKind,
    /// The names of its labels, in the order in which their values are given.
    pub labels: &'static [&'static str],
    /// What it means, in one line without a full stop.
    pub help: &'static str,
}

impl MetricKind {
    /// The word of the text format.
    #[cfg(test)]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
