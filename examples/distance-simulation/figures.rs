//! The figures of docs/selection.md.

use std::path::Path;

use plotters::prelude::*;

use crate::laws::{Law, chosen};
use crate::measures::{Chances, Load};
use crate::world::{Clients, World};

const SIZE: (u32, u32) = (760, 420);
const COLOURS: [RGBColor; 3] = [RGBColor(200, 80, 40), RGBColor(30, 110, 180), RGBColor(120, 120, 120)];
const FONT: (&str, i32) = ("sans-serif", 15);

/// Draws how many clients of countries without a mirror have their first mirror within a distance.
pub(crate) fn distances(world: &World, clients: &Clients, folder: &Path) {
    let clients = clients.without_mirrors(world);
    let of = |law: &Law| Chances::new(world, law).distances(world, &clients);
    let lines = [
        ("order = bandwidth", of(&Law::today())),
        ("order = distance", of(&chosen())),
        ("the nearest mirror", world.nearest(&clients)),
    ];
    let path = folder.join(format!("selection-distance-{}.svg", world.key));
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Countries without a mirror: distance of the first mirror",
            ("sans-serif", 17),
        )
        .margin(12)
        .margin_right(34)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..12_000.0, 0.0..100.0)
        .unwrap();
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("km")
        .y_desc("% of clients within")
        .label_style(FONT)
        .axis_desc_style(FONT);
    mesh.x_label_formatter(&|km| format!("{km:.0}"));
    mesh.light_line_style(TRANSPARENT).draw().unwrap();
    for ((name, mut distances), colour) in lines.into_iter().zip(COLOURS) {
        distances.retain(|(_, count)| *count > 0.0);
        distances.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let all: f64 = distances.iter().map(|(_, count)| count).sum();
        let mut counted = 0.0;
        let mut points = vec![(0.0, 0.0)];
        for (distance, count) in distances {
            counted += count;
            // Thousands of points would be drawn in one place.
            let share = counted / all * 100.0;
            if points.last().is_some_and(|(_, last)| share - last > 0.5) {
                points.push((distance, share));
            }
        }
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .unwrap()
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font(FONT)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .unwrap();
    area.present().unwrap();
}

/// Draws each mirror's share of the first places of its country's mirrors against its share of their bandwidth.
pub(crate) fn loads(world: &World, clients: &Clients, folder: &Path) {
    let path = folder.join(format!("selection-load-{}.svg", world.key));
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let mut chart = ChartBuilder::on(&area)
        .caption("Mirrors within their country, order = distance", ("sans-serif", 17))
        .margin(12)
        .margin_right(34)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d((0.01..100.0).log_scale(), (0.01..100.0).log_scale())
        .unwrap();
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("% of bandwidth")
        .y_desc("% of first places")
        .label_style(FONT)
        .axis_desc_style(FONT);
    mesh.light_line_style(TRANSPARENT).draw().unwrap();
    for factor in [1.0, 2.0] {
        let line = [0.01, 100.0 / factor].map(|share| (share, share * factor));
        chart
            .draw_series(LineSeries::new(line, COLOURS[2].stroke_width(1)))
            .unwrap();
    }
    let load = Load::new(world, clients, &Chances::new(world, &chosen()));
    let ratios = Load::ratios(world, &load.all, |a, b| {
        world.mirrors[a].country == world.mirrors[b].country
    });
    let mirrors = world.mirrors.iter().zip(ratios);
    let points = mirrors.map(|(mirror, ratio)| {
        let of_country = world.mirrors.iter().filter(|other| other.country == mirror.country);
        let bandwidth: f64 = of_country.map(|other| f64::from(other.bandwidth)).sum();
        let share = f64::from(mirror.bandwidth) / bandwidth * 100.0;
        Circle::new((share, share * ratio), 3, COLOURS[1].filled())
    });
    chart.draw_series(points).unwrap();
    area.present().unwrap();
}
