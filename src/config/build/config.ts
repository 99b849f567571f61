import type { Config, GlobalConfig, KickConfig } from "../types.ts";
import type { AnnouncePacingConfig, SyncGroupConfig, VrrpConfig, VrrpInstanceConfig } from "../vrrp.types.ts";
import { buildIpvlanAddress, buildStaticAddress } from "./addresses.ts";
import { memberNames, staticInterface } from "./effective.ts";
import { buildInstance } from "./instance.ts";
import { buildLvs } from "./lvs.ts";
import { buildFifos, buildMail, buildNotify, timedScript } from "./notify.ts";
import type { ParsedFile, ParsedGlobal, ParsedSyncGroup } from "./parsed.ts";
import { buildService } from "./services.ts";
import { buildScripts, buildTrackFiles, buildTrackProcesses } from "./tracking.ts";
import { planVirtualMacs } from "./virtualMac.ts";
import { deepFreeze } from "./written.ts";

/** From parsed blocks to the configuration: defaults come from the rows, inheritance from here, nothing is checked any more. */
export function buildConfig(file: ParsedFile, global: ParsedGlobal): Config {
  return deepFreeze({
    global: buildGlobal(global),
    vrrp: buildVrrp(file, global),
    scripts: buildScripts(file),
    trackProcesses: buildTrackProcesses(file),
    trackFiles: buildTrackFiles(file),
    lvs: buildLvs(file, global),
    virtualServers: file.virtual_server.map((service) => buildService(service, file, global)),
  });
}

function buildGlobal(global: ParsedGlobal): GlobalConfig {
  return {
    routerId: global.router_id?.value,
    vrrpStrict: global.vrrp_strict !== undefined,
    enableScriptSecurity: global.enable_script_security !== undefined,
    scriptUser: global.script_user?.value,
    fifos: buildFifos(global),
    mail: buildMail(global),
    startupScript: timedScript(global.startup_script, global.startup_script_timeout),
    shutdownScript: timedScript(global.shutdown_script, global.shutdown_script_timeout),
    fifoWriteStatesOnReload: global.fifo_write_vrrp_states_on_reload !== undefined,
    tellsFirstUp: global.rs_init_notifies !== undefined,
    vrrpRealtimePriority: global.vrrp_rt_priority?.value,
    kick: buildKick(global),
  };
}

function buildKick({ kick_listen, kick_token_file }: ParsedGlobal): KickConfig | undefined {
  if (kick_listen === undefined || kick_token_file === undefined) return undefined;
  return { ...kick_listen.value, tokenFile: kick_token_file.value };
}

function buildVrrp(file: ParsedFile, global: ParsedGlobal): VrrpConfig {
  const plans = planVirtualMacs(file.vrrp_instance, global);
  const instances = file.vrrp_instance.flatMap((instance) => {
    const plan = plans.get(instance.header);
    return plan === undefined ? [] : (buildInstance(file, global, instance, plan) ?? []);
  });
  return {
    instances,
    syncGroups: file.vrrp_sync_group.map((group) => buildSyncGroup(group, global)),
    staticAddresses: [
      ...file.static_ipaddress.map(({ value }) => buildStaticAddress(value, staticInterface(global))),
      ...instances.flatMap(({ virtualMac }) => buildIpvlanAddress(virtualMac) ?? []),
    ],
    staticRoutes: file.static_routes.map(({ value }) => value.route),
    staticRules: file.static_rules.map(({ value }) => value.rule),
    trackGroups: Object.fromEntries(file.track_group.map((group) => [group.header, memberNames(group)])),
    announcePacing: buildPacing(file),
    garpInterval: global.vrrp_garp_interval.value,
    gnaInterval: global.vrrp_gna_interval.value,
    startupDelay: global.vrrp_startup_delay.value,
    linkbeatInterfaces: polledInterfaces(file, instances),
    linkDelays: file.interface_up_down_delays.map(({ value }) => ({
      interface: value.interface,
      up: value.up,
      down: value.down,
    })),
    logUnknownVrids: global.log_unknown_vrids !== undefined,
  };
}

function buildSyncGroup(group: ParsedSyncGroup, global: ParsedGlobal): SyncGroupConfig {
  return { name: group.header, members: memberNames(group), notify: buildNotify(group.values, global) };
}

function buildPacing(file: ParsedFile): readonly AnnouncePacingConfig[] {
  return file.garp_group.map(({ values }) => ({
    interfaces: [
      ...(values.interface === undefined ? [] : [values.interface.value]),
      ...values.interfaces.flatMap(({ value }) => value.map(({ text }) => text)),
    ],
    garpInterval: values.garp_interval.value,
    gnaInterval: values.gna_interval.value,
  }));
}

/** Those named, those of instances that ask for it, and with `linkbeat_use_polling` every one that an instance depends on. */
function polledInterfaces(file: ParsedFile, instances: readonly VrrpInstanceConfig[]): readonly string[] {
  const all = file.linkbeat_use_polling !== undefined;
  const asking = new Set(
    file.vrrp_instance.filter(({ values }) => values.linkbeat_use_polling !== undefined).map(({ header }) => header),
  );
  const ofInstances = instances.flatMap((instance) => {
    if (all) return [instance.interface, ...instance.track.interfaces.map(({ name }) => name)];
    return asking.has(instance.name) ? [instance.interface] : [];
  });
  return [...new Set([...file.linkbeat_interfaces.map(({ value }) => value.text), ...ofInstances])];
}
