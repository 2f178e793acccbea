//! One client in Rust, made of the `tailscale` crate: it joins and serves a web site in the tailnet, on port
//! 80, which says its name. Says where once it listens, and goes on until it is ended.
//!
//!     rustpeer <control URL> <auth key> <hostname> <key file>

use std::{env::args, error::Error};

use axum::{Router, routing::get};
use tailscale::{Config, Device};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let [url, auth_key, hostname, key_file] = args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "four arguments")?;
    let mut config = Config::default_with_key_file(&key_file).await?;
    config.control_server_url = url.parse()?;
    config.requested_hostname = Some(hostname.clone());
    let device = Device::new(&config, Some(auth_key)).await?;
    let address = device.ipv4_addr().await?;
    let listener = device.tcp_listen((address, 80).into()).await?;
    println!("site at {address}");
    let site = Router::new().route("/", get(move || async move { hostname }));
    axum::serve(tailscale::axum::Listener::from(listener), site).await?;
    Ok(())
}
