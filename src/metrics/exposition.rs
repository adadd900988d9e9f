//! Numbers under their names, and the text that they make.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::definition::{MetricDef, MetricKind};

/// Numbers under their names. A name with the same labels has one number.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    families: BTreeMap<&'static str, MetricFamily>,
}

#[derive(Debug)]
struct MetricFamily {
    def: &'static MetricDef,
    /// By the values of the labels.
    numbers: BTreeMap<Vec<String>, Number>,
}

#[derive(Debug)]
enum Number {
    Whole(u64),
    Real(f64),
    /// Counts by upper bound, each without those of the bounds before it.
    Classes {
        counts: Vec<(f64, u64)>,
        count: u64,
        sum: f64,
    },
}

impl Exposition {
    /// Sets a number.
    pub(super) fn set<const N: usize>(
        &mut self,
        def: &'static MetricDef,
        labels: [&str; N],
        number: u64,
    ) {
        self.put(def, &labels, Number::Whole(number));
    }

    /// The same for labels whose number is not known to the compiler.
    pub(super) fn set_all(&mut self, def: &'static MetricDef, labels: &[&str], number: u64) {
        self.put(def, labels, Number::Whole(number));
    }

    /// Sets a number that may have a fraction. One that is none, or below zero, is left
    /// out: nothing that is measured here can be.
    pub(super) fn set_real<const N: usize>(
        &mut self,
        def: &'static MetricDef,
        labels: [&str; N],
        number: f64,
    ) {
        if number.is_finite() && number >= 0.0 {
            self.put(def, &labels, Number::Real(number));
        }
    }

    /// Sets a time, in seconds since 1970.
    pub(super) fn set_time<const N: usize>(
        &mut self,
        def: &'static MetricDef,
        labels: [&str; N],
        time: jiff::Timestamp,
    ) {
        self.set_real(def, labels, time.as_millisecond() as f64 / 1000.0);
    }

    /// Sets 1 for what is true and 0 for what is not.
    pub(super) fn set_true<const N: usize>(
        &mut self,
        def: &'static MetricDef,
        labels: [&str; N],
        is_true: bool,
    ) {
        self.set(def, labels, u64::from(is_true));
    }

    /// Sets a histogram: counts by upper bound, each without those of the bounds before.
    pub(super) fn set_classes(
        &mut self,
        def: &'static MetricDef,
        counts: Vec<(f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        self.put(def, &[], Number::Classes { counts, count, sum });
    }

    fn put(&mut self, def: &'static MetricDef, labels: &[&str], number: Number) {
        debug_assert_eq!(def.labels.len(), labels.len(), "{}", def.name);
        let family = self
            .families
            .entry(def.name)
            .or_insert_with(|| MetricFamily {
                def,
                numbers: BTreeMap::new(),
            });
        let labels = labels.iter().copied().map(str::to_owned).collect();
        family.numbers.insert(labels, number);
    }

    /// The text, in format 0.0.4, sorted by name and labels.
    pub(super) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for MetricFamily { def, numbers } in self.families.values() {
            let (name, kind) = match def.kind {
                // The library adds it again.
                MetricKind::Counter => {
                    let name = def.name.strip_suffix("_total").unwrap_or(def.name);
                    (name, MetricType::Counter)
                }
                MetricKind::Gauge => (def.name, MetricType::Gauge),
                MetricKind::Histogram => (def.name, MetricType::Histogram),
            };
            let mut family = encoder.encode_descriptor(name, def.help, None, kind)?;
            for (values, number) in numbers {
                let values = values.iter().map(String::as_str);
                let labels: Vec<(&str, &str)> = def.labels.iter().copied().zip(values).collect();
                let labels = labels.as_slice();
                let mut metric = family.encode_family(&labels)?;
                match (def.kind, number) {
                    (MetricKind::Counter, Number::Whole(number)) => {
                        metric.encode_counter::<NoLabelSet, _, f64>(number, None)?;
                    }
                    (MetricKind::Counter, Number::Real(number)) => {
                        metric.encode_counter::<NoLabelSet, _, f64>(number, None)?;
                    }
                    (MetricKind::Gauge, Number::Whole(number)) => metric.encode_gauge(number)?,
                    (MetricKind::Gauge, Number::Real(number)) => metric.encode_gauge(number)?,
                    (_, Number::Classes { counts, count, sum }) => {
                        metric.encode_histogram::<NoLabelSet>(*sum, *count, counts, None)?;
                    }
                    (MetricKind::Histogram, Number::Whole(_) | Number::Real(_)) => {}
                }
            }
        }
        Ok(())
    }
}
