//! Compiles every `.proto` below `public/` and `internal/` into `OUT_DIR`, without `protoc`. Nothing generated is committed.
//!
//! The file descriptor set is kept too: the server's reflection service hands it out.

use std::{env, error::Error, ffi::OsStr, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for folder in ["public", "internal"] {
        println!("cargo:rerun-if-changed={folder}");
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("proto")) {
                println!("cargo:rerun-if-changed={}", path.display());
                files.push(path);
            }
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, ["public", "internal"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".")
        .type_attribute(".phoenixmldb.admin.v1", "#[derive(serde::Serialize, serde::Deserialize)]")
        .type_attribute(".phoenixmldb.admin.v1", "#[serde(default, rename_all = \"camelCase\")]")
        .compile_fds(descriptors)?;
    Ok(())
}
