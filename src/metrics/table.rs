//! Metrics as a table: the doc comment of a row is the HELP text, so that a metric is described once.
//!
//! Not for what a metric counts: the owner of a table decides that.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Declares a struct of metrics and how they are registered. A row is
/// `/// HELP text` and `field: Type = "metric_name", shape;`, where the shape is the labels, the buckets, or absent.
/// With `in registry`, the struct keeps its registry in a field of that name.
macro_rules! metric_table {
    ($(#[$meta:meta])* $vis:vis struct $table:ident $(in $registry:ident)? {
        $($(#[doc = $help:literal])+ $row_vis:vis $field:ident: $kind:ty = $name:literal $(, $shape:expr)?;)+
    }) => {
        $(#[$meta])*
        $vis struct $table {
            $(pub(crate) $registry: prometheus::Registry,)?
            $($(#[doc = $help])+ $row_vis $field: $kind,)+
        }

        impl $table {
            /// Registers the metrics. `adapt` adds what all of them have in common, as a prefix or a label.
            fn register(
                registry: &prometheus::Registry,
                adapt: impl Fn(prometheus::Opts) -> prometheus::Opts,
            ) -> prometheus::Result<Self> {
                use $crate::metrics::table::Metric as _;
                Ok(Self {
                    $($registry: registry.clone(),)?
                    $($field: {
                        let opts = prometheus::Opts::new($name, concat!($($help),+).trim_start());
                        <$kind>::register(registry, adapt(opts), ($($shape)?))?
                    },)+
                })
            }
        }
    };
}
pub(crate) use metric_table;

/// Declares an enum whose variants are all values of a label, each written as `Variant = "value"`.
macro_rules! label_values {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant,)+ }

        impl $crate::metrics::table::LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use label_values;

/// A type of metrics, which knows how to register itself.
pub(crate) trait Metric: Sized {
    /// The names of labels, the bounds of buckets, or nothing.
    type Shape;

    /// Creates the metric and adds it to a registry.
    fn register(registry: &Registry, opts: Opts, shape: Self::Shape) -> prometheus::Result<Self>;
}

/// The values of a label, all of which are known beforehand.
pub(crate) trait LabelValue: Copy + 'static {
    /// All of them, in the order of their indexes.
    const ALL: &'static [Self];

    /// The value as text.
    fn label(self) -> &'static str;

    /// The position in [`LabelValue::ALL`].
    fn index(self) -> usize;
}

/// Implements [`Metric`] for types of one shape, given how to create them.
macro_rules! metrics {
    ($($kind:ty),+; $shape:ty; $create:expr) => {$(
        impl Metric for $kind {
            type Shape = $shape;

            fn register(registry: &Registry, opts: Opts, shape: Self::Shape) -> prometheus::Result<Self> {
                added(registry, $create(opts, shape)?)
            }
        }
    )+};
}

metrics!(Gauge, IntCounter, IntGauge; (); |opts, ()| Self::with_opts(opts));
metrics!(GaugeVec, IntCounterVec, IntGaugeVec; &'static [&'static str]; Self::new);
metrics!(Histogram; &'static [f64]; |opts: Opts, buckets: &[f64]| {
    Self::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()))
});

/// Something for each value of a label.
pub(crate) struct ByLabel<L, T> {
    items: Box<[T]>,
    label: PhantomData<L>,
}

/// A counter for each value of a label. All of them are exposed from the start.
pub(crate) type CounterBy<L> = ByLabel<L, IntCounter>;

impl<L: LabelValue, T> ByLabel<L, T> {
    /// Makes the items.
    pub(crate) fn new(item: impl FnMut(&L) -> T) -> Self {
        Self {
            items: L::ALL.iter().map(item).collect(),
            label: PhantomData,
        }
    }

    /// The item of a value.
    pub(crate) fn of(&self, value: L) -> &T {
        #[expect(clippy::indexing_slicing, reason = "there is an item for each value in `ALL`")]
        &self.items[value.index()]
    }
}

impl<L: LabelValue> Metric for CounterBy<L> {
    type Shape = &'static str;

    fn register(registry: &Registry, opts: Opts, label: &'static str) -> prometheus::Result<Self> {
        let counters = added(registry, IntCounterVec::new(opts, &[label])?)?;
        Ok(Self::new(|value| counters.with_label_values(&[value.label()])))
    }
}

/// Adds a collector to a registry.
fn added<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
