// SPDX-License-Identifier: GPL-2.0-only

//! From texts to what is booted.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::expect_used, reason = "a failure is what these look for")]

use iscsi_init::proto::config::{
    cmdline::Arguments,
    machine::Machine,
    merge::{
        read_root_path,
        Boot,
        Ipconfig,
        NoTarget,
        Request, //
    }, //
};

/// A machine without a UUID and a host name.
pub(crate) const MACHINE: Machine<'_> = Machine {
    uuid: None,
    host_name: None,
    mac: [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01],
};

/// What parameters and arguments ask for, the rest being by default.
pub(crate) fn request_with(
    parameters: &Arguments<'_>,
    arguments: &Arguments<'_>,
    ipconfig: Ipconfig,
) -> Result<Request, String> {
    let mut request =
        Request::new(parameters, arguments, &mut |_| ()).map_err(|error| error.to_string())?;
    request
        .complete(&arguments.others, ipconfig, &mut |_| ())
        .map_err(|error| error.to_string())?;
    Ok(request)
}

/// The same of parameters and a kernel command line, without the kernel's own ipconfig.
pub(crate) fn request(parameters: &Arguments<'_>, line: &str) -> Result<Request, String> {
    let arguments = Arguments::parse(line.as_bytes()).map_err(|error| error.to_string())?;
    request_with(parameters, &arguments, Ipconfig::Driver)
}

/// What is booted by these and a root path.
pub(crate) fn boot(
    parameters: &Arguments<'_>,
    line: &str,
    root_path: Option<&str>,
) -> Result<Boot, NoTarget> {
    let root_path = root_path.map(|text| read_root_path(text).expect("a root path"));
    Boot::new(
        &request(parameters, line).expect("a request"),
        root_path.as_ref(),
        None,
        &MACHINE,
        &mut |_| (),
    )
}
