// SPDX-License-Identifier: GPL-2.0-only

//! What both targets do with connections: a thread for each.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long a peer may leave its answers unread. They hold up other connections' writes.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn listen(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))
}

/// Serves connections for ever. One that ends badly costs a line.
pub fn run<F>(listener: &TcpListener, serve: F)
where
    F: Fn(&mut TcpStream) -> io::Result<()> + Clone + Send + 'static,
{
    for stream in listener.incoming() {
        let serve = serve.clone();
        let started = stream.and_then(|mut stream| {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let peer = stream.peer_addr()?;
            thread::Builder::new().spawn(move || {
                if let Err(error) = serve(&mut stream) {
                    eprintln!("thin: {peer}: {error}");
                }
            })
        });
        if let Err(error) = started {
            eprintln!("thin: a connection was not taken: {error}");
            // Most likely too many of them; those that are there go on.
            thread::sleep(Duration::from_millis(100));
        }
    }
}
