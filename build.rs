//! Makes the prost types of `proto/mirrormanager.proto`. The schema is compiled by protox, so no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/mirrormanager.proto");
    let descriptors = protox::compile(["proto/mirrormanager.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
