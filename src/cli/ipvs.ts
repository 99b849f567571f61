import { openIpvsTable } from "../io/ipvsTable.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { formatIpvsTable } from "./ipvsText.ts";
import { errorText, type Output } from "./output.ts";

/** `holdfast ipvs`: asks the kernel itself, so it shows the truth also when no daemon runs. */
export function runIpvs(output: Output): ExitCode {
  try {
    const table = openIpvsTable();
    output.out(formatIpvsTable(table.info(), table.dump()));
    return EXIT.ok;
  } catch (error) {
    output.err(errorText(error));
    return EXIT.failed;
  }
}
