//! What is measured, by calculation: distances of the first mirror, countries that get worse, and the load of mirrors.

use mirrorlist_server::mirrorlist::choose::distance::HALVING;

use crate::laws::Law;
use crate::world::{Clients, World};

/// The chance of each mirror to be the first, by country and mirror.
pub(crate) struct Chances(pub(crate) Vec<Vec<f64>>);

impl Chances {
    pub(crate) fn new(world: &World, law: &Law) -> Self {
        let chances = (0..world.countries.len()).map(|country| chances_of(world, country, law));
        Self(chances.collect())
    }

    /// The distance of each mirror from each country, and how many clients have it as the first.
    pub(crate) fn distances(&self, world: &World, clients: &Clients) -> Vec<(f64, f64)> {
        let countries = self.0.iter().zip(&world.distances).zip(&clients.counts);
        let pairs = countries.flat_map(|((chances, distances), count)| {
            distances
                .iter()
                .zip(chances)
                .map(move |(distance, chance)| (*distance, chance * count))
        });
        pairs.collect()
    }

    /// The median distance of the first mirror for clients of a country.
    fn median(&self, world: &World, country: usize) -> f64 {
        let distances = world.distances[country].iter().copied();
        median_and_p95(distances.zip(self.0[country].iter().copied()).collect()).0
    }
}

/// The first mirror is in the own country if that has one. Without distances it is else on the continent, else anywhere.
fn chances_of(world: &World, country: usize, law: &Law) -> Vec<f64> {
    let home = &world.countries[country];
    let is_near = |mirror: usize, tier: u8| match tier {
        0 => world.mirrors[mirror].country == home.code,
        1 => world.continent(world.mirrors[mirror].country) == Some(home.continent),
        _ => true,
    };
    let tiers: &[u8] = if law.factor.is_some() { &[0, 2] } else { &[0, 1, 2] };
    let nearest = world.distances[country].iter().copied().fold(f64::INFINITY, f64::min);
    let all = 0..world.mirrors.len();
    let tier = tiers
        .iter()
        .find(|tier| all.clone().any(|mirror| is_near(mirror, **tier)))
        .unwrap();
    let weights: Vec<f64> = all
        .map(|mirror| {
            let bandwidth = f64::from(world.mirrors[mirror].bandwidth);
            match (is_near(mirror, *tier), &law.factor) {
                (false, _) => 0.0,
                // Of clients in the middle of their country no more than the country is known.
                (true, Some(factor)) if *tier > 0 => bandwidth * factor(world.distances[country][mirror], nearest),
                (true, _) => bandwidth,
            }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The median and the 95th percentile of distances, each with the number of clients that have it.
pub(crate) fn median_and_p95(mut distances: Vec<(f64, f64)>) -> (f64, f64) {
    distances.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let all: f64 = distances.iter().map(|(_, count)| count).sum();
    let at = |share: f64| {
        let mut counted = 0.0;
        let found = distances.iter().find(|(_, count)| {
            counted += count;
            counted >= share * all * (1.0 - 1e-12)
        });
        found.map_or(f64::NAN, |(distance, _)| *distance)
    };
    (at(0.5), at(0.95))
}

/// How many countries' median distance of the first mirror is more than a tenth, and a kilometre, above that of the order by bandwidth.
pub(crate) fn count_losses(world: &World, chances: &Chances, today: &Chances) -> usize {
    let is_worse = |country: &usize| {
        let [before, after] = [today, chances].map(|chances| chances.median(world, *country));
        after > 1.1 * before + 1.0
    };
    (0..world.countries.len()).filter(is_worse).count()
}

/// First places by mirror: of all clients, and of those in other countries.
pub(crate) struct Load {
    pub(crate) all: Vec<f64>,
    abroad: Vec<f64>,
}

impl Load {
    pub(crate) fn new(world: &World, clients: &Clients, chances: &Chances) -> Self {
        let sum = |clients: &Clients| {
            let mut load = vec![0.0; world.mirrors.len()];
            for (chances, count) in chances.0.iter().zip(&clients.counts) {
                load.iter_mut()
                    .zip(chances)
                    .for_each(|(load, chance)| *load += chance * count);
            }
            load
        };
        Self {
            all: sum(clients),
            abroad: sum(&clients.without_mirrors(world)),
        }
    }

    /// By mirror, the share of the first places of its region, divided by its share of the region's bandwidth.
    pub(crate) fn ratios(world: &World, load: &[f64], is_region: impl Fn(usize, usize) -> bool) -> Vec<f64> {
        let mirrors = 0..world.mirrors.len();
        let ratio = |mirror: usize| {
            let region: Vec<usize> = mirrors.clone().filter(|other| is_region(mirror, *other)).collect();
            let load_of_all: f64 = region.iter().map(|other| load[*other]).sum();
            let bandwidth: f64 = region
                .iter()
                .map(|other| f64::from(world.mirrors[*other].bandwidth))
                .sum();
            match load_of_all > 0.0 {
                true => load[mirror] / load_of_all / (f64::from(world.mirrors[mirror].bandwidth) / bandwidth),
                false => 0.0,
            }
        };
        mirrors.clone().map(ratio).collect()
    }

    /// The largest ratio within a country, of all clients.
    pub(crate) fn most_in_country(&self, world: &World) -> f64 {
        let ratios = Self::ratios(world, &self.all, |a, b| {
            world.mirrors[a].country == world.mirrors[b].country
        });
        ratios.into_iter().fold(0.0, f64::max)
    }

    /// The largest ratio among mirrors that are neighbours, of clients of countries without a mirror.
    pub(crate) fn most_of_neighbours(&self, world: &World) -> f64 {
        let place = |mirror: usize| world.mirrors[mirror].place;
        let ratios = Self::ratios(world, &self.abroad, |a, b| place(a).kilometres_to(place(b)) <= HALVING);
        ratios.into_iter().fold(0.0, f64::max)
    }
}

/// Prints the load by both orders, and with `max_share`.
pub(crate) fn print_load(world: &World, clients: &Clients, today: &Chances, orders: &[(&str, &Chances)]) {
    println!(
        "| order | countries worse | most load within 100 km | most load in its country | most first places of a country, by a median \
         and by a 95 % country | of the world |"
    );
    println!("|---|---|---|---|---|---|");
    for (order, chances) in orders {
        let load = Load::new(world, clients, chances);
        let all: f64 = load.all.iter().sum();
        let most = load.all.iter().copied().fold(0.0, f64::max);
        let of_country = chances
            .0
            .iter()
            .map(|chances| chances.iter().copied().fold(0.0, f64::max));
        let (median, p95) = median_and_p95(of_country.zip(clients.counts.iter().copied()).collect());
        println!(
            "| {order} | {} | {:.2} x | {:.2} x | {:.0} %, {:.0} % | {:.1} % |",
            count_losses(world, chances, today),
            load.most_of_neighbours(world),
            load.most_in_country(world),
            median * 100.0,
            p95 * 100.0,
            most / all * 100.0,
        );
    }
}
