//! Clients of all countries ask mirrors of the world: how far is the first mirror by `order = bandwidth` and by `order = distance`, how is
//! the load shared out, and how would other laws do? Prints the tables of docs/selection.md, and draws its figures.
//!
//! usage: distance-simulation [--cache FILE] [--geoip FILE] [--draws NUMBER] [--figures FOLDER]
//!
//! The mirrors are 430 invented ones in 72 countries and, with `--cache`, those of a cache. Clients are in the middle of their
//! countries, in proportion to a table of Internet users (`countries.csv`) and, with `--geoip`, to the IPv4 addresses of a country
//! database. Everything random is seeded, so that the same arguments print the same.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that can't be made ends with its reason"
)]

mod draws;
mod figures;
mod laws;
mod measures;
mod world;

use std::path::PathBuf;

use draws::{draw, limited};
use laws::{Law, candidates, chosen};
use measures::{Chances, Load, count_losses, median_and_p95, print_load};
use world::{Clients, World};

/// The limit that is shown, in percent.
const MAX_SHARE: u8 = 30;

struct Arguments {
    cache: Option<PathBuf>,
    geoip: Option<PathBuf>,
    figures: Option<PathBuf>,
    draws: usize,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        cache: None,
        geoip: None,
        figures: None,
        draws: 1_000,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{flag} needs a value"));
        match flag.as_str() {
            "--cache" => found.cache = Some(value().into()),
            "--geoip" => found.geoip = Some(value().into()),
            "--figures" => found.figures = Some(value().into()),
            "--draws" => found.draws = value().parse().unwrap_or_else(|_| panic!("--draws takes a number")),
            _ => panic!("{flag}: expected --cache, --geoip, --figures or --draws"),
        }
    }
    found
}

fn main() {
    let arguments = arguments();
    let mut worlds = vec![World::invented()];
    worlds.extend(arguments.cache.as_deref().map(World::of_cache));
    let mut clients = vec![Clients::by_users()];
    clients.extend(arguments.geoip.as_deref().map(Clients::by_addresses));
    for world in &worlds {
        println!("\n## {}\n", world.name);
        compare_laws(world, &clients);
        for clients in &clients {
            compare_orders(world, clients, arguments.draws);
        }
        if let Some(folder) = &arguments.figures {
            figures::distances(world, &clients[0], folder);
        }
    }
    if let Some(folder) = &arguments.figures {
        figures::loads(&worlds[0], &clients[0], folder);
    }
}

/// Prints how each law does, by calculation.
fn compare_laws(world: &World, clients: &[Clients]) {
    println!(
        "| law | clients by | median km | of the nearest | 95 % | countries worse | most load within 100 km | most load in its country |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let today = Chances::new(world, &Law::today());
    for law in std::iter::once(Law::today()).chain(candidates()) {
        let chances = Chances::new(world, &law);
        for clients in clients {
            let (median, p95) = median_and_p95(chances.distances(world, &clients.without_mirrors(world)));
            let (nearest, _) = median_and_p95(world.nearest(&clients.without_mirrors(world)));
            let load = Load::new(world, clients, &chances);
            println!(
                "| {} | {} | {median:.0} | {:.2} x | {p95:.0} | {} | {:.2} x | {:.2} x |",
                law.name,
                clients.name,
                median / nearest,
                count_losses(world, &chances, &today),
                load.most_of_neighbours(world),
                load.most_in_country(world),
            );
        }
    }
    println!();
}

/// Prints what both orders do, drawn by the server itself, and checks that the calculation says the same.
fn compare_orders(world: &World, clients: &Clients, draws: usize) {
    println!("Clients by {}, {draws} answers for each country:\n", clients.name);
    println!(
        "| clients | order | first: median km | 95 % | best of three: median km | 95 % | nearest: median km | 95 % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let drawn =
        [("bandwidth", false), ("distance", true)].map(|(order, by_distance)| (order, draw(world, by_distance, draws)));
    for (who, of_these) in [
        ("without a mirror", clients.without_mirrors(world)),
        ("all", clients.clone()),
    ] {
        for (order, drawn) in &drawn {
            let (first, first_95) = median_and_p95(drawn.firsts(&of_these));
            let (best, best_95) = median_and_p95(drawn.best_of_three(&of_these));
            let (nearest, nearest_95) = median_and_p95(world.nearest(&of_these));
            println!(
                "| {who} | {order} | {first:.0} | {first_95:.0} | {best:.0} | {best_95:.0} | {nearest:.0} | {nearest_95:.0} |"
            );
        }
    }
    println!();
    let [today, chosen] = [Law::today(), chosen()].map(|law| Chances::new(world, &law));
    let limited = limited(world, MAX_SHARE, &chosen);
    let limited_order = format!("distance, `max_share = {MAX_SHARE}%`");
    let orders = [("bandwidth", &today), ("distance", &chosen), (&limited_order, &limited)];
    print_load(world, clients, &today, &orders);
    println!();
}
