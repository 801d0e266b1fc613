// SPDX-License-Identifier: GPL-2.0-only

//! `thin floor`: the smallest loop that does I/O on an iSCSI target (RFC 7143).
//!
//! One thread, one connection, blocking calls; what it takes for an I/O is what the target, TCP and
//! the system calls take. Data that is read goes nowhere beyond the buffer that it arrived in.

mod client;
mod login;

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use crate::bytes::broken;
use crate::options::Options;
use crate::wire::Inbox;
use client::Client;
use login::Parameters;

pub const HELP: &str = "\
thin floor --target ADDRESS:PORT --name IQN [--lun N] [--op read|write] [--size BYTES]
           [--depth N] [--batch N] [--count N] [--sequential] [--max-recv BYTES]

  --lun         the logical unit (0)
  --op          what to do (read); write overwrites what is there
  --size        of each I/O (4096)
  --depth       how many are under way at a time (1)
  --batch       how many that have ended make one write() of new ones (1)
  --count       how many in all (10000)
  --sequential  one after the other instead of random multiples of 4 KiB
  --max-recv    the MaxRecvDataSegmentLength to declare (1048576)

Prints a line of JSON: the time is that of the loop alone, without login and logout.
";

const BLOCK: u64 = 512;
const ALIGNMENT: u64 = 4096;
struct Job {
    write: bool,
    size: usize,
    depth: usize,
    batch: usize,
    count: u64,
    sequential: bool,
}

pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let valued = [
        "target", "name", "lun", "op", "size", "depth", "batch", "count", "max-recv",
    ];
    let options = Options::parse(arguments, &valued, &["sequential", "help"])?;
    if options.flag("help") {
        print!("{HELP}");
        return Ok(());
    }
    let target = options.text("target").ok_or("--target is missing")?;
    let name = options.text("name").ok_or("--name is missing")?;
    let lun = options.range("lun", 0, 0..=0x3fff)? as u16;
    let max_recv = options.range("max-recv", 1 << 20, 512..=(1 << 24) - 1)? as usize;
    let size = options.range("size", 4096, BLOCK..=1 << 30)?;
    if size % BLOCK != 0 {
        return Err(format!("--size {size}: not a multiple of {BLOCK}"));
    }
    let depth = options.range("depth", 1, 1..=1 << 16)?;
    let job = Job {
        write: match options.text("op").unwrap_or("read") {
            "read" => false,
            "write" => true,
            other => return Err(format!("--op {other}: neither read nor write")),
        },
        size: size as usize,
        depth: depth as usize,
        batch: options.range("batch", 1, 1..=depth)? as usize,
        count: options.range("count", 10_000, 1..=u64::MAX)?,
        sequential: options.flag("sequential"),
    };
    let line = run(target, name, lun, max_recv, &job).map_err(|e| format!("{target}: {e}"))?;
    println!("{line}");
    Ok(())
}

fn run(target: &str, name: &str, lun: u16, max_recv: usize, job: &Job) -> io::Result<String> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    let mut inbox = Inbox::new(64 << 10);
    let parameters = login::login(&mut stream, &mut inbox, name, max_recv)?;
    let mut client = Client::new(stream, inbox, parameters, lun, job.size);
    let capacity = client.capacity()?;
    if capacity < job.size as u64 {
        return Err(broken(format!("the unit has {capacity} bytes only")));
    }
    let switches = context_switches();
    let start = Instant::now();
    client.work(job, capacity)?;
    let seconds = start.elapsed().as_secs_f64();
    let switches = context_switches() - switches;
    client.log_out()?;
    let Parameters {
        max_send,
        max_burst,
        first_burst,
        initial_r2t,
        immediate_data,
        ..
    } = client.parameters;
    Ok(format!(
        "{{\"ios\": {}, \"seconds\": {seconds:.6}, \"context\": {{\"op\": \"{}\", \"size\": {}, \
         \"depth\": {}, \"batch\": {}, \"sequential\": {}, \"reads\": {}, \"writes\": {}, \
         \"context_switches\": {switches}, \"r2ts\": {}, \"max_recv\": {max_recv}, \
         \"target_max_recv\": {max_send}, \"max_burst\": {max_burst}, \
         \"first_burst\": {first_burst}, \"initial_r2t\": {initial_r2t}, \
         \"immediate_data\": {immediate_data}}}}}",
        job.count,
        if job.write { "write" } else { "read" },
        job.size,
        job.depth,
        job.batch,
        job.sequential,
        client.reads,
        client.writes,
        client.r2ts,
    ))
}

/// How often this thread has waited or been made to wait.
fn context_switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter_map(|line| line.split_once("ctxt_switches:"));
    lines
        .filter_map(|(_, number)| number.trim().parse::<u64>().ok())
        .sum()
}

/// Where the commands go.
struct Places {
    sequential: bool,
    state: u64,
    count: u64,
    step: u64,
}

impl Places {
    fn new(job: &Job, capacity: u64) -> Self {
        let size = job.size as u64;
        let step = if job.sequential { size } else { ALIGNMENT };
        Self {
            sequential: job.sequential,
            state: if job.sequential {
                0
            } else {
                0x9e37_79b9_7f4a_7c15
            },
            count: (capacity - size) / step + 1,
            step: step / BLOCK,
        }
    }

    /// The next block address: in order, or by xorshift, the same ones in every run.
    fn next(&mut self) -> u64 {
        if self.sequential {
            let place = self.state;
            self.state = (place + 1) % self.count;
            return place * self.step;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let place = (u128::from(self.state) * u128::from(self.count)) >> 64;
        place as u64 * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::{self, scsi::read_write_16};
    use crate::server;
    use std::sync::Arc;

    fn job(write: bool, size: usize, depth: usize, batch: usize, sequential: bool) -> Job {
        Job {
            write,
            size,
            depth,
            batch,
            count: 300,
            sequential,
        }
    }

    /// Against our own target, over the loopback device.
    #[test]
    fn loopback() {
        let listener = server::listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = Arc::new(iscsi::Target::new(64, 2, 16, false, 65_536));
        std::thread::spawn(move || {
            server::run(&listener, move |stream| iscsi::serve(&target, stream));
        });
        for job in [
            job(false, 4096, 1, 1, false),
            job(true, 4096, 32, 8, false),
            job(false, 1 << 20, 8, 3, true),
            job(true, 1 << 20, 20, 1, true),
            job(true, 512, 4, 4, false),
        ] {
            for max_recv in [1 << 20, 5000] {
                let line =
                    run(&address, "iqn.2004-01.net.example:thin", 1, max_recv, &job).unwrap();
                assert!(line.starts_with("{\"ios\": 300, "), "{line}");
            }
        }
        let too_large = job(false, 128 << 20, 1, 1, false);
        assert!(run(&address, "iqn.a", 0, 8192, &too_large).is_err());
        assert!(run(&address, "iqn.a", 2, 8192, &job(false, 512, 1, 1, false)).is_err());
    }

    /// What is written is what is read, whether it is immediate, unsolicited or asked for.
    #[test]
    fn data_survives() {
        let listener = server::listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(iscsi::Target::new(64, 1, 16, false, 65_536));
        std::thread::spawn(move || {
            server::run(&listener, move |stream| iscsi::serve(&target, stream));
        });
        let mut stream = TcpStream::connect(address).unwrap();
        let mut inbox = Inbox::new(64 << 10);
        let parameters = login::login(&mut stream, &mut inbox, "iqn.a", 5000).unwrap();
        let mut client = Client::new(stream, inbox, parameters, 0, 1 << 20);
        client
            .work(&job(true, 1 << 20, 20, 1, true), 64 << 20)
            .unwrap();
        assert!(client.r2ts >= 300);
        for block in [0, 127, 128, 1023, 2040, 64 * 2048 - 8] {
            let data = client
                .ask(&read_write_16(false, block, 8), 4096)
                .unwrap()
                .unwrap();
            let from = (block * BLOCK) as usize;
            let expected = (from..from + 4096).map(|n| (n % (1 << 20) / 3) as u8);
            assert!(data.iter().copied().eq(expected), "block {block}");
        }
    }

    #[test]
    fn places_are_on_the_unit() {
        let capacity = 1 << 20;
        for sequential in [false, true] {
            let job = job(false, 8192, 1, 1, sequential);
            let mut places = Places::new(&job, capacity);
            for _ in 0..1000 {
                assert!(places.next() * BLOCK + 8192 <= capacity);
            }
        }
    }
}
