//! `schema.graphql` is what the server answers to.

#[test]
fn the_schema_file_is_the_schema_of_the_server() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let running = regulars::graphql::schema(None).sdl();
    let different = written.lines().zip(running.lines()).position(|(written, running)| written != running);
    assert!(
        written == running,
        "schema.graphql is not the schema of the server; the first different line is {}. \
         Write it again with: cargo run -- schema > schema.graphql",
        different.unwrap_or_else(|| written.lines().count().min(running.lines().count())) + 1
    );
}
