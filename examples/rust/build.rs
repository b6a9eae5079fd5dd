//! Generates the messages and the client of the contract.

use std::error::Error;

const PROTO: &str = "../../proto";
const CONTRACT: &str = "tokenwire/v1/chatgpt.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}/{CONTRACT}");
    let files = protox::compile([CONTRACT], [PROTO])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
