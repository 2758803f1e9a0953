package com.acme.hal;

import dev.halcyon.conformance.junit.Conformance;
import dev.halcyon.conformance.junit.ConformanceTests;

@Conformance("acme://0")
class AcmeConformanceTest implements ConformanceTests {}
