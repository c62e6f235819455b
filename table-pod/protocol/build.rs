//! Compiles the schema without a protoc on the machine.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = "proto/purr/v1/player.proto";
    println!("cargo::rerun-if-changed={schema}");
    let descriptors = protox::compile([schema], ["proto"])?;
    pbjson_build::Builder::new().register_descriptors(&descriptors.encode_to_vec())?.build(&[".purr.v1"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
