//! Laws that an order by distance could follow: the factor of a mirror's bandwidth, by its distance in kilometres.

use mirrorlist_server::mirrorlist::choose::distance::{HALVING, NEAR};

pub(crate) struct Law {
    pub(crate) name: String,
    /// `None`: the order by bandwidth, which knows no distance.
    pub(crate) factor: Option<Box<dyn Fn(f64, f64) -> f64>>,
}

impl Law {
    /// The order by bandwidth.
    pub(crate) fn today() -> Self {
        Self {
            name: "`order = bandwidth`".to_owned(),
            factor: None,
        }
    }

    fn new(name: String, factor: impl Fn(f64, f64) -> f64 + 'static) -> Self {
        Self {
            name,
            factor: Some(Box::new(factor)),
        }
    }

    fn halving(near: f64, halving: f64) -> Self {
        let name = format!("{near:.0} km, then half each {halving:.0} km");
        Self::new(name, move |kilometres, _| (-kilometres.max(near) / halving).exp2())
    }

    fn beyond_nearest(beyond: f64, halving: f64) -> Self {
        let name = format!("nearest + {beyond:.0} km, then half each {halving:.0} km");
        Self::new(name, move |kilometres, nearest| {
            (-kilometres.max(nearest + beyond) / halving).exp2()
        })
    }

    fn power(near: f64, exponent: i32) -> Self {
        let name = format!("{near:.0} km, then distance^-{exponent}");
        Self::new(name, move |kilometres, _| (kilometres.max(near) / near).powi(-exponent))
    }

    fn bands(width: f64, factor: f64) -> Self {
        let name = format!("bands of {width:.0} km, each 1/{factor:.0}");
        Self::new(name, move |kilometres, _| factor.powf(-(kilometres / width).floor()))
    }
}

/// The law of `order = distance`.
pub(crate) fn chosen() -> Law {
    Law::halving(NEAR, HALVING)
}

/// All laws that are compared.
pub(crate) fn candidates() -> Vec<Law> {
    vec![
        Law::bands(250.0, 2.0),
        Law::bands(250.0, 10.0),
        Law::bands(500.0, 10.0),
        Law::bands(500.0, 100.0),
        Law::bands(1_000.0, 100.0),
        Law::power(250.0, 2),
        Law::power(250.0, 4),
        Law::power(250.0, 8),
        Law::power(250.0, 12),
        Law::halving(250.0, 75.0),
        Law::halving(250.0, 100.0),
        Law::halving(250.0, 150.0),
        Law::halving(500.0, 75.0),
        chosen(),
        Law::halving(500.0, 150.0),
        Law::halving(750.0, 100.0),
        Law::beyond_nearest(200.0, 75.0),
    ]
}
