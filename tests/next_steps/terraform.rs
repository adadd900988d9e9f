//! The Terraform example, parsed and evaluated as far as it reads the outputs.

use hcl::eval::{Context, Evaluate, FuncDef, ParamType};
use hcl::{Block, Body, Map, Value};

use super::{Delivered, blocks};

/// The arguments of the resource that are used, as the provider has them.
const ARGUMENTS: &str = "for_each name node_name machine scsi_hardware boot_order stop_on_destroy \
    cpu.type cpu.cores memory.dedicated disk.interface disk.datastore_id disk.import_from disk.size \
    disk.iothread disk.discard disk.ssd initialization.datastore_id \
    initialization.ip_config.ipv4.address network_device.bridge agent.enabled agent.timeout \
    operating_system.type lifecycle.ignore_changes";

fn context() -> Context<'static> {
    let mut context = Context::new();
    let function = |param| FuncDef::builder().param(param);
    context.declare_func(
        "tonumber",
        function(ParamType::String).build(|args| {
            let number = args[0].as_str().unwrap_or_default().parse::<u32>();
            number.map(Value::from).map_err(|why| why.to_string())
        }),
    );
    context.declare_func(
        "toset",
        function(ParamType::Any).build(|args| Ok(args[0].clone())),
    );
    context
}

/// The values of a file of variables.
pub fn variables(tfvars: &str) -> Value {
    let body: Body = hcl::parse(tfvars).unwrap();
    let context = Context::new();
    let values = body.attributes().map(|variable| {
        let value = variable.expr().evaluate(&context).unwrap();
        (variable.key().to_owned(), value)
    });
    Value::from(values.collect::<Map<_, _>>())
}

/// Evaluates the locals with these variables, and leaves both in the context.
pub fn with_locals(body: &Body, variables: Value) -> Context<'static> {
    let mut context = context();
    context.declare_var("var", variables);
    let mut locals = Map::new();
    for local in block(body, "locals").body().attributes() {
        let value = local.expr().evaluate(&context);
        let value = value.unwrap_or_else(|why| panic!("{}: {why}", local.key()));
        locals.insert(local.key().to_owned(), value);
        context.declare_var("local", Value::from(locals.clone()));
    }
    context
}

/// Fails the test unless all arguments of a block are known.
#[track_caller]
pub fn accepts(body: &Body, known: &str) {
    let mut used = Vec::new();
    names(body, "", &mut used);
    for name in used {
        let is_known = known.split_whitespace().any(|known| known == name);
        assert!(is_known, "{name}");
    }
}

pub fn block<'a>(body: &'a Body, identifier: &str) -> &'a Block {
    let mut found = body
        .blocks()
        .filter(|block| block.identifier() == identifier);
    found
        .next()
        .unwrap_or_else(|| panic!("no block {identifier}"))
}

pub fn argument(body: &Body, name: &str, context: &Context<'_>) -> Value {
    let mut found = body
        .attributes()
        .filter(|attribute| attribute.key() == name);
    let found = found.next().unwrap_or_else(|| panic!("no argument {name}"));
    let value = found.expr().evaluate(context);
    value.unwrap_or_else(|why| panic!("{name}: {why}"))
}

fn names(body: &Body, above: &str, found: &mut Vec<String>) {
    found.extend(
        body.attributes()
            .map(|attribute| format!("{above}{}", attribute.key())),
    );
    for block in body.blocks() {
        names(
            block.body(),
            &format!("{above}{}.", block.identifier()),
            found,
        );
    }
}

#[test]
fn terraform_imports_what_was_delivered() {
    let world = Delivered::new();
    let [example] = &blocks("hcl")[..] else {
        panic!("one example");
    };
    let body: Body = hcl::parse(&world.here(example)).unwrap();
    let mut context = with_locals(&body, variables(&world.outputs("tfvars")));

    let resource = block(&body, "resource");
    let labels: Vec<&str> = resource
        .labels()
        .iter()
        .map(hcl::BlockLabel::as_str)
        .collect();
    assert_eq!(labels, ["proxmox_virtual_environment_vm", "talos"]);
    let resource = resource.body();
    accepts(resource, ARGUMENTS);
    let machines = argument(resource, "for_each", &context);
    let machines = machines.as_array().unwrap();
    assert_eq!(machines.len(), 2);
    for machine in machines {
        let each = Map::from_iter([("key".to_owned(), machine.clone())]);
        context.declare_var("each", Value::from(each));
        assert_eq!(argument(resource, "node_name", &context), *machine);
        let source = argument(block(resource, "disk").body(), "import_from", &context);
        let source = world.volume(machine.as_str().unwrap(), source.as_str().unwrap());
        assert!(source.is_file(), "{}", source.display());
    }
    assert!(example.contains("ignore_changes = [disk[0].import_from]"));
    let installer = argument(block(&body, "output").body(), "value", &context);
    let expected = &world.manifest["entries"][0]["installer"];
    assert_eq!(installer.as_str(), expected.as_str());
}
