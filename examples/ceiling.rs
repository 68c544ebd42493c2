//! What a bare actix-web handler can do on this machine: it copies out a body of a fixed size, as every answer has to. Servers are
//! measured against it.
//!
//! usage: ceiling BYTES; prints the address that it listens on, and runs until it is killed.
#![allow(clippy::print_stdout, reason = "a program's only way to say where it listens")]

use std::io::{self, Write};

use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use actix_web::{App, HttpResponse, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let size = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let body = vec![b'x'; size];
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new().default_service(web::to(move || {
            let copy = Bytes::copy_from_slice(&body);
            async move { HttpResponse::Ok().content_type(ContentType::plaintext()).body(copy) }
        }))
    })
    .bind("127.0.0.1:0")?;
    if let Some(address) = server.addrs().first() {
        println!("{address}");
        io::stdout().flush()?;
    }
    actix_web::rt::System::new().block_on(server.run())
}
