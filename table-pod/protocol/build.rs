//! Compiles the schemas without a protoc on the machine.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (player, trunk) = ("proto/purr/v1/player.proto", "proto/purr/trunk/v1/trunk.proto");
    for schema in [player, trunk] {
        println!("cargo::rerun-if-changed={schema}");
    }
    let descriptors = protox::compile([player], ["proto"])?;
    // A field of a newer release is ignored in JSON as in binary.
    let mut json = pbjson_build::Builder::new();
    json.ignore_unknown_fields().register_descriptors(&descriptors.encode_to_vec())?.build(&[".purr.v1"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    // Messages of players go through as they are, without a copy.
    prost_build::Config::new().bytes(["."]).compile_fds(protox::compile([trunk], ["proto"])?)?;
    Ok(())
}
